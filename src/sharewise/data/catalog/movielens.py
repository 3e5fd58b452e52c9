"""MovieLens 100K: who liked which film, in order of time. The data is never shipped with Sharewise."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import polars as pl

from sharewise.data.catalog import locate
from sharewise.data.catalog.entry import CatalogEntry
from sharewise.data.catalog.locate import Resource
from sharewise.data.schema import Features
from sharewise.data.splits import TimeSplit
from sharewise.tasks import Task

SOURCE = "https://grouplens.org/datasets/movielens/100k/"
ORIGINAL = Resource(
    "movielens-100k/ml-100k.zip",
    sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    address="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
)
RATINGS = Resource(
    "movielens-100k/ratings.parquet",
    sha256="e45e72215069024fbb8a0636e3d63c45e342a3cd0b05fb3fbefbcd58f05f28ec",
)
ITEMS = Resource(
    "movielens-100k/items.parquet",
    sha256="c7ec99ddf50c637e4891ca6a25a1dfbb110939d05bd5e861ef9e9c511a615939",
)
USERS = Resource(
    "movielens-100k/users.parquet",
    sha256="0fb2cfc4a91cb4fab967097d8eff317e079c77e738c02b2445beaec8c6021367",
)
_GENRES = """
Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror
Musical Mystery Romance Sci-Fi Thriller War Western
"""
GENRES = tuple(_GENRES.split())

TASKS = (
    Task("liked", "binary", "rating >= 4", text="the user gives four or five stars"),
    Task("disliked", "binary", "rating <= 2", text="the user gives one or two stars"),
    Task("rating", "regression", "rating", text="the stars that the user gives"),
)
CATEGORICAL = ("user_id", "item_id", "gender", "occupation", "zip_region", *GENRES)
NUMERIC = ("age", "release_year")


def load() -> CatalogEntry:
    """100,000 ratings of 1,682 films by 943 people: liked, disliked, stars.

    Split by time (trained until 1998-03-07, tested from 1998-04-01): most test users and some films are new,
    as in life. Rows of one user belong together: `user_id` is the cluster.
    """
    ratings, users, items = _tables()
    joined = ratings.join(users, on="user_id", how="left", maintain_order="left")
    return CatalogEntry(
        name="movielens-100k",
        frame=joined.join(items, on="item_id", how="left", maintain_order="left").sort(
            "time", "user_id", "item_id"
        ),
        tasks=TASKS,
        description="Films rated, with the user's age, gender, occupation, region and the film's genres.",
        source=SOURCE,
        licence="research use, no redistribution without permission (GroupLens)",
        split=TimeSplit("time", valid="1998-03-07", test="1998-04-01"),
        features=Features(
            keep=CATEGORICAL + NUMERIC,
            kinds=dict.fromkeys(CATEGORICAL, "categorical") | dict.fromkeys(NUMERIC, "numeric"),
        ),
        cluster="user_id",
    )


Tables = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


def _tables() -> Tables:
    """Ratings, users and items with the same columns whatever the files' form."""
    converted = [locate.find(resource) for resource in (RATINGS, USERS, ITEMS)]
    found = [pl.read_parquet(path) for path in converted if path is not None]
    ratings, users, items = found if len(found) == 3 else read_original(locate.locate(ORIGINAL))
    numbers = pl.col("user_id", "item_id")
    genres = pl.col("genres").str.split(" ")
    return (
        ratings.with_columns(
            pl.from_epoch(pl.col("timestamp").cast(pl.Int64)).alias("time"), numbers.cast(pl.Int64)
        ),
        users.with_columns(
            pl.col("user_id").cast(pl.Int64),
            pl.col("age").cast(pl.Int32),
            pl.col("zip_code").str.slice(0, 1).alias("zip_region"),
        ),
        items.with_columns(
            pl.col("item_id").cast(pl.Int64),
            pl.col("release_year").cast(pl.Int32, strict=False),
            *(genres.list.contains(pl.lit(genre)).cast(pl.Int8).alias(genre) for genre in GENRES),
        ),
    )


def read_original(path: Path) -> Tables:
    """Read GroupLens's archive: tab- and bar-separated files without headers, in Latin-1."""
    with zipfile.ZipFile(path) as archive:
        texts = [archive.read(f"ml-100k/u.{name}").decode("latin-1") for name in ("data", "user", "item")]
    ratings = _read(texts[0], "\t", ["user_id", "item_id", "rating", "timestamp"])
    users = _read(texts[1], "|", ["user_id", "age", "gender", "occupation", "zip_code"])
    films = _read(texts[2], "|", ["item_id", "title", "released", "video", "address", "unknown", *GENRES])
    present = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in GENRES]
    items = films.select(
        "item_id",
        pl.col("released").str.slice(-4).alias("release_year"),
        pl.concat_str(present, separator=" ", ignore_nulls=True).alias("genres"),
    )
    return ratings.with_columns(pl.all().cast(pl.Int32)), users, items


def _read(text: str, separator: str, columns: list[str]) -> pl.DataFrame:
    # The names are given because those that polars makes up differ between its versions.
    content = io.BytesIO(text.encode())
    return pl.read_csv(
        content,
        has_header=False,
        new_columns=columns,
        separator=separator,
        quote_char=None,
        infer_schema=False,
    )
