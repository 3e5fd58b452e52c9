"""Splits: which rows train, which choose (validation), which judge (test)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone

import polars as pl
import torch

from sharewise.errors import DataError, nearest
from sharewise.streams import stream

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class FractionSplit:
    """Rows at random: `valid` and `test` are shares of all rows."""

    valid: float = 0.1
    test: float = 0.1
    seed: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    def assign(self, frame: pl.DataFrame) -> pl.Series:
        """Return "train", "valid" or "test" for every row."""
        return _by_share(frame.height, self.valid, self.test, self.seed)


@dataclass(frozen=True)
class TimeSplit:
    """Rows before `valid` train, those before `test` validate, later ones test; null times are refused.

    The column holds dates, times, numbers, or texts such as 2013-10-01. A cut without a time zone is in that
    of the column.
    """

    column: str
    valid: str | date | datetime
    test: str | date | datetime

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def assign(self, frame: pl.DataFrame) -> pl.Series:
        """Return "train", "valid" or "test" for every row."""
        times = _times(frame[self.column])
        valid, test = (_cut(cut, times) for cut in (self.valid, self.test))
        if not pl.select(valid < test).item():
            raise DataError(
                f"Validation by '{self.column}' starts at {self.valid}, but test at {self.test}.",
                "Let validation start before test.",
            )
        later = pl.when(pl.col("t") < test).then(pl.lit("valid")).otherwise(pl.lit("test"))
        part = pl.when(pl.col("t") < valid).then(pl.lit("train")).otherwise(later)
        return pl.DataFrame({"t": times}).select(part.alias("split"))["split"]


@dataclass(frozen=True)
class GroupSplit:
    """Whole groups at random: no value of `column` is in two parts. Shares are of groups, not of rows."""

    column: str
    valid: float = 0.1
    test: float = 0.1
    seed: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def assign(self, frame: pl.DataFrame) -> pl.Series:
        """Return "train", "valid" or "test" for every row."""
        column = _as_text(frame[self.column])
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
        part = _as_text(frame[self.column])
        wrong = part.filter(~part.is_in(list(PARTS)) | part.is_null())
        if len(wrong):
            raise DataError(
                f"The split column '{self.column}' holds the value {wrong[0]!r}.",
                "Use only 'train', 'valid' and 'test'.",
            )
        return part


Split = FractionSplit | TimeSplit | GroupSplit | ColumnSplit


def check_columns(split: Split, known: list[str]) -> None:
    """Raise DataError if the split reads a column that is not there."""
    for column in split.columns:
        if column not in known:
            raise DataError(f"The table has no column '{column}' to split by.", nearest(column, known))


def check_sizes(split: Split, rows: Mapping[str, int]) -> None:
    """Raise DataError if a part has no rows that its share, or its time, should have given it."""
    shares = {"valid": 0.0, "test": 0.0} if isinstance(split, ColumnSplit) else {}
    if isinstance(split, FractionSplit | GroupSplit):
        shares = {"valid": split.valid, "test": split.test}
    for part in PARTS:
        if not rows[part] and shares.get(part, 1.0) > 0:
            have = ", ".join(f"{name} {rows[name]}" for name in PARTS)
            raise DataError(f"The {part} split has no rows ({have}).", "Choose another split.")


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
    codes = dict(enumerate(PARTS))
    names: pl.Series = pl.Series("split", part.numpy()).replace_strict(codes, return_dtype=pl.String)
    return names


def _as_text(column: pl.Series) -> pl.Series:
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        raise DataError(
            f"The column '{column.name}' to split by is of type {column.dtype}.",
            "Split by a column of plain values.",
        )
    text: pl.Series = column.cast(pl.String)
    return text


def _times(column: pl.Series) -> pl.Series:
    """Return the times. Texts are read: by letters, 2013-10-01 08:00 would come before 2013-10-01T00:00."""
    empty = column.null_count() + (int(column.is_nan().sum()) if column.dtype.is_float() else 0)
    if empty:
        raise DataError(
            f"Column '{column.name}', which splits by time, is empty in {empty} rows.",
            "Fill the times or drop those rows.",
        )
    if column.dtype != pl.String:
        return column
    text = column.str.replace("T", " ", literal=True)
    full = pl.when(pl.col("t").str.len_chars() == 10).then(pl.col("t") + " 00:00").otherwise("t")
    full = pl.when(full.str.len_chars() == 16).then(full + ":00").otherwise(full)
    parsed = full.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    times = pl.DataFrame({"t": text}).select(parsed)["t"].rename(column.name)
    wrong = column.filter(times.is_null())
    if len(wrong):
        raise DataError(
            f"Column '{column.name}', which splits by time, holds the text {wrong[0]!r}.",
            "Write dates as 2013-10-01 and times as 2013-10-01T08:00.",
        )
    return times


def _cut(cut: str | date | datetime, times: pl.Series) -> pl.Expr:
    """Return the cut as a literal that compares with the column."""
    kind = times.dtype
    try:
        if isinstance(kind, pl.Datetime):
            return _moment(cut, kind)
        if kind == pl.Date:
            return pl.lit(date.fromisoformat(cut[:10]) if isinstance(cut, str) else _day(cut))
        if kind.is_numeric():
            return pl.lit(float(str(cut)))
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise _incomparable(cut, times) from error
    raise _incomparable(cut, times)


def _moment(cut: str | date | datetime, kind: pl.Datetime) -> pl.Expr:
    moment = datetime.fromisoformat(cut) if isinstance(cut, str) else cut
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if moment.tzinfo is None:
        literal = pl.lit(moment).cast(pl.Datetime(kind.time_unit)).dt.replace_time_zone(kind.time_zone)
    elif kind.time_zone is None:
        raise ValueError("a cut with a time zone, a column without")
    else:
        utc = pl.lit(moment.astimezone(timezone.utc).replace(tzinfo=None)).cast(pl.Datetime(kind.time_unit))
        literal = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(kind.time_zone)
    return pl.lit(pl.select(literal).to_series()[0], dtype=kind)


def _day(cut: date | datetime) -> date:
    return cut.date() if isinstance(cut, datetime) else cut


def _incomparable(cut: object, times: pl.Series) -> DataError:
    return DataError(
        f"The time '{cut}' cannot be compared with column '{times.name}' of type {times.dtype}.",
        "Write dates as 2013-10-01 and times as 2013-10-01T08:00, and split by a column of times.",
    )
