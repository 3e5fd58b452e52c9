"""Ratings become lists of which nothing knows the future."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sharewise.errors import ConfigError
from sharewise.ranking.ratings import MIDDLE, PULL, RatingsOptions, ratings_log, write_ratings_log

OPTIONS = RatingsOptions(others=4, every="6h", user=("age",), item=("kind",))


def ratings(count: int = 400, seed: int = 0) -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    pairs = chance.permutation(30 * 40)[:count]
    user, item = pairs // 40, pairs % 40
    begin = np.datetime64("2026-01-01T00:00:00", "us")
    seconds = np.sort(chance.integers(0, 2000, count)) * 60
    return pl.DataFrame(
        {
            "user": user + 100,
            "item": item + 1000,
            "time": begin + seconds.astype("timedelta64[s]"),
            "rating": chance.integers(1, 6, count),
            "age": user + 20,
            "kind": np.array(["a", "b", "c"])[item % 3],
        }
    )


def log_of(table: pl.DataFrame, options: RatingsOptions = OPTIONS) -> pl.DataFrame:
    return pl.concat([frame for _, frame in ratings_log(table, options)])


def test_every_rating_of_a_known_item_is_a_list_with_its_item_clicked() -> None:
    table = ratings()
    log = log_of(table)
    clicked = log.filter("clicked").sort("user", "item")
    ordered = table.sort("time").with_row_index()
    first = ordered.group_by("item").agg(pl.col("time").min().alias("came"))
    known = ordered.join(first, on="item").filter(pl.col("time") > pl.col("came")).sort("user", "item")
    both = known.join(clicked, on=["user", "item"], how="inner", maintain_order="left")
    assert len(both) == len(known) > 300
    assert (both["rating"] == both["rating_right"]).all()
    assert (both["liked"] == (both["rating"] >= 4)).all()
    assert (both["time"] == both["time_right"]).all()
    assert log["request"].is_sorted()
    assert log.filter(~pl.col("clicked"))["rating"].null_count() == (~log["clicked"]).sum()
    assert log.group_by("request").agg(pl.col("clicked").sum())["clicked"].max() == 1


def test_others_were_known_and_not_rated_by_the_user_yet() -> None:
    table = ratings()
    log = log_of(table)
    assert not log.select(pl.struct("request", "item").is_duplicated().any()).item()
    assert log.group_by("request").len()["len"].max() == 5
    others = log.filter(~pl.col("clicked"))
    rated = table.select("user", "item", then="time")
    own = others.join(rated, on=["user", "item"], how="inner")
    assert len(own) > 50  # rated later
    assert (own["then"] >= own["time"]).all()
    came = table.group_by("item").agg(pl.col("time").min().alias("came"))
    assert (others.join(came, on="item").select(pl.col("came") <= pl.col("time")).to_series()).all()


def test_features_are_of_the_ratings_before() -> None:
    table = ratings()
    log = log_of(table)
    for row in log.gather_every(37).iter_rows(named=True):
        before = table.filter(pl.col("time") < row["time"])
        upto = table.filter(pl.col("time") <= row["time"])
        for name in ("user", "item"):
            own = pl.col(name) == row[name]
            assert before.filter(own).height <= row[f"{name}_watches"] <= upto.filter(own).height
        own = before.filter(pl.col("item") == row["item"])["rating"]
        if upto.filter(pl.col("item") == row["item"]).height == len(own):
            mean = (own.sum() + PULL * MIDDLE) / (len(own) + PULL)
            assert row["item_rating"] == pytest.approx(mean)
        last = before.filter(pl.col("user") == row["user"]).filter(pl.col("time") == pl.col("time").max())
        if len(last) == 1 and not upto.filter(pl.col("user") == row["user"]).height > row["user_watches"] + 1:
            assert row["query"] == last["item"][0]
        assert (row["query"] is None) == (row["user_watches"] == 0)
        assert row["age"] == row["user"] - 80
        assert row["kind"] == "abc"[(row["item"] - 1000) % 3]


def test_the_future_does_not_matter() -> None:
    """Later ratings change no list before them: not its features, not what may be among the others."""
    table = ratings()
    half = table["time"].sort()[len(table) // 2]
    early = log_of(table).filter(pl.col("time") < half)
    later = table.with_columns(
        rating=pl.when(pl.col("time") < half).then("rating").otherwise(1),
        item=pl.when(pl.col("time") < half).then("item").otherwise(1000 + pl.col("user") % 40),
    )
    other = log_of(later).filter(pl.col("time") < half)
    day = early["time"].dt.truncate("6h")
    whole = day < day.max()  # the last partition is drawn with its later rows
    assert early.filter(whole).equals(other.filter(whole))


def test_partitions_are_written_the_same_every_time(tmp_path: Path) -> None:
    rows = write_ratings_log(ratings(), tmp_path / "a", OPTIONS)
    write_ratings_log(ratings(), tmp_path / "b", OPTIONS)
    first, second = (sorted((tmp_path / name).iterdir()) for name in "ab")
    assert [path.name for path in first] == [path.name for path in second]
    assert len(first) == 6
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    times = [pl.read_parquet(path)["time"] for path in first]
    assert all(one.max() < other.min() for one, other in pairwise(times))
    assert sum(map(len, times)) == rows
    with pytest.raises(ConfigError, match="0 other items"):
        RatingsOptions(others=0)
