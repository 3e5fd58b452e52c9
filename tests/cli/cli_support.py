"""A small table, a configuration that trains on it in a moment, and what a command leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

CONFIG = """
[data]
source = "rows.csv"

[[tasks]]
name = "late"
kind = "binary"
label = "delay > 3"

[[tasks]]
name = "delay"
kind = "regression"

[model]
sharing = "shared_bottom"
hidden = [4]

[train]
epochs = 1
batch_size = 32

[study]
structures = ["independent", "shared_bottom"]
seeds = 2
"""


class Done(NamedTuple):
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


def table(rows: int = 120) -> pl.DataFrame:
    """Return rows with two features that vary, a label, and columns to split, weigh and group by."""
    number = pl.int_range(rows, eager=True)
    return pl.DataFrame(
        {
            "distance": (number * 7 % 31).cast(pl.Float64),
            "carrier": (number % 3).replace_strict({0: "a", 1: "b", 2: "c"}, return_dtype=pl.String),
            "delay": (number * 7 % 31 * 0.3 + number % 5).cast(pl.Float64),
            "cause": (number % 2).replace_strict({0: "x", 1: "y"}, return_dtype=pl.String),
            "day": pl.Series([f"2020-01-{1 + i % 28:02}" for i in range(rows)]),
            "weight": (number % 2 + 1).cast(pl.Float64),
        }
    )
