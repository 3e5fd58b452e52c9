"""Splits: which rows train, which choose (validation), which judge (test)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
import torch

from sharewise.errors import DataError, nearest
from sharewise.streams import stream

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class FractionSplit:
    """Rows at random: `valid` and `test` are shares of all rows."""

    valid: float = 0.1
    test: float = 0.2
    seed: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    def assign(self, frame: pl.DataFrame) -> pl.Series:
        """Return "train", "valid" or "test" for every row."""
        return _by_share(frame.height, self.valid, self.test, self.seed)


@dataclass(frozen=True)
class TimeSplit:
    """Rows before `valid` train, those before `test` validate, later ones test; null times are refused."""

    column: str
    valid: str | date | datetime
    test: str | date | datetime

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def assign(self, frame: pl.DataFrame) -> pl.Series:
        """Return "train", "valid" or "test" for every row."""
        times = frame[self.column]
        if times.null_count():
            raise DataError(
                f"Column '{self.column}', which splits by time, is empty in {times.null_count()} rows.",
                "Fill the times or drop those rows.",
            )
        valid, test = (_cut(cut, times, self.column) for cut in (self.valid, self.test))
        later = pl.when(pl.col("t") < test).then(pl.lit("valid")).otherwise(pl.lit("test"))
        part = pl.when(pl.col("t") < valid).then(pl.lit("train")).otherwise(later)
        return pl.DataFrame({"t": times}).select(part.alias("split"))["split"]


@dataclass(frozen=True)
class GroupSplit:
    """Whole groups at random: no value of `column` is in two parts. Shares are of groups, not of rows."""

    column: str
    valid: float = 0.1
    test: float = 0.2
    seed: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def assign(self, frame: pl.DataFrame) -> pl.Series:
        """Return "train", "valid" or "test" for every row."""
        column = frame[self.column].cast(pl.String)
        groups = column.unique().sort()
        parts = pl.DataFrame(
            {"group": groups, "split": _by_share(len(groups), self.valid, self.test, self.seed)}
        )
        keyed = pl.DataFrame({"group": column})
        found = keyed.join(parts, on="group", how="left", nulls_equal=True, maintain_order="left")
        return found["split"]


@dataclass(frozen=True)
class ColumnSplit:
    """A column that says "train", "valid" or "test" itself."""

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def assign(self, frame: pl.DataFrame) -> pl.Series:
        """Return "train", "valid" or "test" for every row."""
        part: pl.Series = frame[self.column].cast(pl.String)
        wrong = part.filter(~part.is_in(list(PARTS)) | part.is_null())
        if len(wrong):
            raise DataError(
                f"The split column '{self.column}' holds the value {wrong[0]!r}.",
                "Use only 'train', 'valid' and 'test'.",
            )
        return part


Split = FractionSplit | TimeSplit | GroupSplit | ColumnSplit


def _by_share(count: int, valid: float, test: float, seed: int) -> pl.Series:
    if not (valid >= 0 and test >= 0 and valid + test < 1):
        raise DataError(
            f"A split of {valid} for validation and {test} for test leaves nothing to train on.",
            "Choose shares that are not negative and sum to less than 1.",
        )
    order = torch.randperm(count, generator=stream(seed, "split"))
    tests, valids = round(count * test), round(count * valid)
    part = torch.zeros(count, dtype=torch.int64)
    part[order[:tests]] = 2
    part[order[tests : tests + valids]] = 1
    names: pl.Series = pl.Series("split", part.numpy()).replace_strict({0: "train", 1: "valid", 2: "test"})
    return names


def _cut(cut: str | date | datetime, times: pl.Series, column: str) -> pl.Expr:
    """Return the cut as a literal of the column's type."""
    kind = times.dtype
    try:
        if isinstance(kind, pl.Datetime):
            moment = datetime.fromisoformat(cut) if isinstance(cut, str) else cut
            if not isinstance(moment, datetime):
                moment = datetime(moment.year, moment.month, moment.day)
            literal = pl.lit(moment.replace(tzinfo=None)).cast(pl.Datetime(kind.time_unit))
            return literal.dt.replace_time_zone(kind.time_zone)
        if kind == pl.Date:
            return pl.lit(date.fromisoformat(cut[:10]) if isinstance(cut, str) else cut)
        if kind.is_numeric():
            return pl.lit(float(str(cut)))
    except ValueError as error:
        raise DataError(
            f"The time {cut!r} cannot be compared with column '{column}' of type {kind}.",
            "Write dates as 2013-10-01 and times as 2013-10-01T08:00.",
        ) from error
    return pl.lit(cut.isoformat() if isinstance(cut, date) else cut)


def check_columns(split: Split, known: list[str]) -> None:
    """Raise DataError if the split reads a column that is not there."""
    for column in split.columns:
        if column not in known:
            raise DataError(f"The table has no column '{column}' to split by.", nearest(column, known))
