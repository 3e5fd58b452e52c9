"""A stretch of the log as candidates see it: its rows in the order of time, and which were wanted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.data.growing import value_type
from sharewise.data.labels import encode_label, evaluate_labels
from sharewise.errors import DataError
from sharewise.ranking.candidates.columns import LogColumns, wanted_task
from sharewise.ranking.candidates.plan import CandidatePlan
from sharewise.ranking.candidates.requests import Array
from sharewise.ranking.reading import read_pieces

#: Microseconds of an hour.
HOUR = 3_600_000_000
#: More rows than a partition has.
ALL = (1 << 32) - 2


@dataclass(frozen=True)
class Stretch:
    """Rows of a log.

    Attributes:
        frame: under the log's names, in the order of time.
        time: ``[rows]``, hours since 1970.
        wanted: ``[rows]``, whether the user wanted the item.
    """

    frame: pl.DataFrame
    time: Array
    wanted: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.frame)


def read_stretch(content: bytes, columns: LogColumns, plan: CandidatePlan) -> Stretch:
    """Return the rows of a partition.

    Args:
        content: a Parquet file's bytes.
        columns: of the log.
        plan: says what is relevant.

    Raises:
        DataError: if the file is not whole, lacks a column, or holds what it must not.
    """
    return make_stretch(next(read_pieces(content, columns.schema, ALL)), columns, plan)


def make_stretch(frame: pl.DataFrame, columns: LogColumns, plan: CandidatePlan) -> Stretch:
    """Return the stretch of rows under the log's names; errors as in `read_stretch`."""
    for name in ("item", "user", *(("query",) if "query" in frame.columns else ())):
        _check_ids(frame[name], columns.user if name == "user" else columns.item)
    if not frame.schema["time"].is_temporal() or frame.schema["time"] in (pl.Time, pl.Duration):
        raise DataError(f"Its column 'time' holds {frame.schema['time']}.", "Write dates with their time.")
    for name in ("time", "item", "request"):
        if name in frame.columns and frame[name].null_count():
            raise DataError(f"Its column '{name}' lacks values.", "Leave such rows out.")
    frame = frame.sort("time", maintain_order=True)
    half = len(frame) // 2
    part = pl.Series(["train"] * half + ["test"] * (len(frame) - half), dtype=pl.String)
    task = wanted_task(plan)
    wanted = encode_label(task, evaluate_labels(frame, (task,), frame.columns, part)[0])
    time = frame["time"].dt.timestamp("us").to_numpy() / HOUR
    return Stretch(frame, time, wanted > 0)


def requests_of(frame: pl.DataFrame) -> NDArray[np.int64]:
    """Return the number of each row's request, in the order of their first rows; without requests its own."""
    if "request" not in frame.columns:
        return np.arange(len(frame))
    keys = frame.select("request", "user")
    first = keys.unique(maintain_order=True).with_row_index("group")
    found = keys.join(first, on=["request", "user"], how="left", nulls_equal=True, maintain_order="left")
    return found["group"].to_numpy().astype(np.int64)


def _check_ids(values: pl.Series, kept: str) -> None:
    if value_type(values.dtype) != kept and values.null_count() < len(values):
        held = "whole numbers" if kept == "number" else "texts"
        raise DataError(
            f"Its column '{values.name}' holds {values.dtype}, not {held}.", "Write it as before."
        )
