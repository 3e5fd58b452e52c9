"""The stream that `crash.py --ranking` disturbs: 48 small partitions, a checkpoint after each, ids that keep
coming, drop-out, and a ranker with a tower for the place."""

from __future__ import annotations

from pathlib import Path

import faults
import numpy as np
import polars as pl
import torch._dynamo  # noqa: F401  # which the first optimizer loads, or every child would by itself
import victim

from sharewise.nn import ModelOptions
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.options import StreamOptions
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.stream import fingerprint

PARTITIONS, REQUESTS, SLATE = 48, 20, 5
MODEL = ModelOptions(
    sharing="mmoe", hidden=(8,), tower=(4,), experts=2, embedding=4, encoder_hidden=(8,), dropout=0.2
)
PLAN = RankPlan(
    model=MODEL,
    train=StreamOptions(batch_size=64, device="cpu", checkpoint_every=0),
    balance={"method": "gradvac"},
)
outcome = victim.outcome


def make_data() -> Path:
    """Return the name of the log's folder, which lies beside the runs; `write` fills it."""
    return Path("log")


def warm(data: Path, scratch: Path) -> None:
    """Write the log in a child: once Polars has had work, a process can no longer be forked."""
    if faults.wait(faults.child(lambda: write(scratch / data))) != faults.FINISHED:
        raise SystemExit("The log was not written.")


def write(folder: Path) -> None:
    """Write the partitions."""
    folder.mkdir()
    for number in range(PARTITIONS):
        partition(number).write_parquet(folder / f"hour-{number:02}.parquet")


def partition(number: int) -> pl.DataFrame:
    """Return an hour of the log: users and items from a range that moves on."""
    chance = np.random.default_rng(number)
    rows = REQUESTS * SLATE
    request = np.repeat(np.arange(REQUESTS), SLATE)
    item = number + chance.integers(0, 30, rows)
    clicked = chance.random(rows) < 0.3 + 0.2 * np.sin(item)
    frame = pl.DataFrame(
        {
            "time": pl.Series(3_600_000_000 * number + 1_000_000 * request).cast(pl.Datetime("us")),
            "request": request + number * REQUESTS,
            "user": (2 * number + chance.integers(0, 50, REQUESTS))[request],
            "query": (number + chance.integers(0, 30, REQUESTS))[request],
            "item": item,
            "position": np.tile(np.arange(1, SLATE + 1), REQUESTS),
            "device": np.array(["phone", "tv"])[chance.integers(0, 2, REQUESTS)][request],
            "source": "popular",
            "clicked": clicked,
            "watched": np.exp(3 + chance.normal(size=rows)),
            "liked": clicked & (chance.random(rows) < 0.3),
            "dismissed": chance.random(rows) < 0.1,
            "rating": np.clip(np.round(3 + chance.normal(size=rows)), 1, 5),
            "views": chance.integers(0, 10_000, rows),
        }
    )
    rated = pl.Series(clicked & (chance.random(rows) < 0.5))
    return frame.with_columns(
        watched=pl.when("clicked").then("watched"), rating=pl.when(rated).then("rating")
    )


def train(data: Path, folder: Path) -> None:
    """Run the training, or go on with it."""
    fit_stream(folder.parent / data, PLAN, folder=folder)


def identity(data: Path) -> str:
    """Return what the run's checkpoints are known by."""
    return fingerprint(PLAN)
