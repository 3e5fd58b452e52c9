"""Small logs in which watching has a structure, and what tests of candidates ask of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from sharewise.ranking.candidates import CandidatePlan, ListOptions, TopicOptions, TowerOptions
from sharewise.ranking.candidates.catalogue import Catalogue
from sharewise.ranking.candidates.requests import Ids, Requests, Watches

#: Groups of items that users keep to.
GROUPS = 4
PLAN = CandidatePlan(
    candidates=ListOptions(count=12, recall_at=(5, 10), recall_rows=0, history=20, recent=6),
    topics=TopicOptions(columns=("kind",)),
    two_tower=TowerOptions(size=8, hidden=(16,), batch_size=32, passes=10, learning_rate=0.01),
)


def log_partition(number: int, rows: int = 300, seed: int = 0, items: int = 40) -> pl.DataFrame:
    """Return a partition: lists of five, of which those of the user's group are mostly clicked."""
    chance = np.random.default_rng([seed, number])
    requests = rows // 5
    request = np.repeat(np.arange(requests), 5)
    user = chance.integers(0, 30 + 3 * number, requests)
    item = chance.integers(0, items + 4 * number, rows)
    near = chance.integers(0, items // GROUPS, requests) * GROUPS + user % GROUPS
    query = np.where(chance.random(requests) < 0.7, near, -1)
    same = item % GROUPS == (user % GROUPS)[request]
    clicked = chance.random(rows) < np.where(same, 0.6, 0.05)
    begin = np.datetime64("2026-01-01T00:00:00", "us") + np.timedelta64(number, "h")
    return pl.DataFrame(
        {
            "time": begin + (request * 3_000_000).astype("timedelta64[us]"),
            "request": request + 10_000 * number,
            "user": user[request],
            "query": pl.Series(query[request]),
            "item": item,
            "position": np.tile(np.arange(1, 6), requests),
            "device": np.array(["phone", "tv"])[chance.integers(0, 2, requests)][request],
            "clicked": clicked,
            "watched": np.where(clicked, 10.0 + item, np.nan),
            "liked": clicked & (chance.random(rows) < 0.5),
            "dismissed": chance.random(rows) < 0.05,
            "rating": np.where(clicked & (chance.random(rows) < 0.3), chance.integers(1, 6, rows), np.nan),
            "kind": np.array(["a", "b", "c", "d"])[item % GROUPS],
            "length": 60.0 + item,
        }
    ).with_columns(
        query=pl.when(pl.col("query") >= 0).then("query"),
        watched=pl.col("watched").fill_nan(None),
        rating=pl.col("rating").fill_nan(None),
    )


def write_log(folder: Path, count: int, first: int = 0, seed: int = 0) -> Path:
    """Write partitions with names in their order; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        log_partition(number, seed=seed).write_parquet(folder / f"hour-{number:02}.parquet")
    return folder


def items_of(count: int, **columns: list[object]) -> Catalogue:
    """Return a catalogue of the items 0, 1, 2 ... whose rows are their ids."""
    catalogue = Catalogue("number", TopicOptions(columns=tuple(columns)))
    catalogue.learn(pl.DataFrame({"item": range(count), **columns}))
    return catalogue


def asking(query: list[int], past: list[list[int]] | None = None, user: list[int] | None = None) -> Requests:
    """Return requests in rows; pasts are padded."""
    past = past or [[] for _ in query]
    width = max([1, *map(len, past)])
    padded = np.array([row + [-1] * (width - len(row)) for row in past], dtype=np.int64).reshape(-1, width)
    who = np.full(len(query), -1) if user is None else np.array(user)
    return Requests(who.astype(np.int64), np.array(query, dtype=np.int64), padded)


def watching(
    user: Ids, query: Ids, item: Ids, past: Ids, time: np.ndarray, now: float | None = None
) -> Watches:
    """Return watches in rows."""
    end = float(time.max()) if now is None else now
    return Watches(Requests(user, query, past), item, time, end)
