"""Small logs with a known bias of the place, partition by partition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

#: What a place adds to the logit of a click, by device.
CURVES = {
    "phone": -0.5 * np.arange(8),
    "tv": -0.15 * np.arange(8),
}


def partition(number: int, rows: int = 400, seed: int = 0, users: int = 60, items: int = 40) -> pl.DataFrame:
    """Return the rows of one partition; ids of users and items grow with its number."""
    chance = np.random.default_rng([seed, number])
    requests = -(-rows // 8)
    request = np.repeat(np.arange(requests), 8)[:rows]
    position = np.tile(np.arange(1, 9), requests)[:rows]
    device = np.array(["phone", "tv"])[chance.integers(0, 2, requests)][request]
    user = chance.integers(0, users + 10 * number, requests)[request]
    item = chance.integers(0, items + 5 * number, rows)
    quality = np.sin(item * 1.7)
    bias = np.where(device == "phone", CURVES["phone"][position - 1], CURVES["tv"][position - 1])
    clicked = chance.random(rows) < 1 / (1 + np.exp(-(0.5 + 1.2 * quality + bias)))
    watched = np.exp(3 + quality + 0.3 * chance.normal(size=rows))
    liked = chance.random(rows) < 1 / (1 + np.exp(-quality))
    rated = clicked & (chance.random(rows) < 0.2)
    rating = np.clip(np.round(3 + quality + 0.5 * chance.normal(size=rows)), 1, 5)
    frame = pl.DataFrame(
        {
            "time": pl.Series(number * 3_600_000_000 + request * 1_000_000).cast(pl.Datetime("us")),
            "request": request + number * 100_000,
            "user": user,
            "query": chance.integers(0, items, requests)[request],
            "item": item,
            "position": position,
            "device": device,
            "source": np.array(["popular", "fresh", "near"])[chance.integers(0, 3, rows)],
            "clicked": clicked,
            "watched": watched,
            "liked": liked,
            "dismissed": chance.random(rows) < 0.05,
            "rating": rating,
            "quality": quality + 0.3 * chance.normal(size=rows),
            "views": chance.integers(0, 10_000, rows),
        }
    )
    given = pl.col("clicked")
    return frame.with_columns(
        query=pl.when(pl.col("query") > 3).then("query"),
        watched=pl.when(given).then("watched"),
        liked=pl.when(given).then("liked").otherwise(False),
        rating=pl.when(pl.Series(rated)).then("rating"),
    )


def write(folder: Path, count: int, rows: int = 400, first: int = 0, seed: int = 0) -> list[Path]:
    """Write partitions with names in their order; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(first, first + count):
        paths.append(folder / f"hour-{number:04}.parquet")
        partition(number, rows, seed).write_parquet(paths[-1])
    return paths
