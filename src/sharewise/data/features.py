"""How one column becomes numbers, fitted on the training rows: vocabularies, and scalings with bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.errors import DataError

CATEGORICAL, NUMERIC = "categorical", "numeric"

#: Standardised values stop here. Of fewer than 1e12 training rows none lies further from the mean, so this
#: touches outliers of later data alone, and keeps them from becoming infinite in float32.
_FURTHEST = 1e6
_EXACT = 2.0**53


@dataclass(frozen=True)
class Vocabulary:
    """A categorical column: values by falling frequency, then by name; id 0 is for everything else.

    A missing value is a value of its own, if the training split has one. Numbers are named alike whether a
    file holds them as 7 or as 7.0.
    """

    column: str
    values: tuple[str | None, ...]

    @staticmethod
    def fit(column: pl.Series, min_count: int) -> Vocabulary:
        """Fit on the training rows; values rarer than `min_count` are unknown.

        Raises:
            DataError: if the column holds lists or other things without a name.
        """
        counted = pl.DataFrame({"value": value_names(column)}).group_by("value").agg(n=pl.len())
        ordered = counted.filter(pl.col("n") >= min_count).sort(
            "n", "value", descending=[True, False], nulls_last=True
        )
        return Vocabulary(column.name, tuple(ordered["value"].to_list()))

    @property
    def size(self) -> int:
        """Ids, the unknown bucket included."""
        return len(self.values) + 1

    def encode(self, column: pl.Series) -> NDArray[np.int64]:
        """Return ids ``[rows]``."""
        known = pl.DataFrame(
            {"value": self.values, "id": range(1, self.size)}, schema={"value": pl.String, "id": pl.Int64}
        )
        asked = pl.DataFrame({"value": value_names(column)})
        found = asked.join(known, on="value", how="left", nulls_equal=True, maintain_order="left")
        return np.array(found["id"].fill_null(0).to_numpy(), dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        return {"column": self.column, "values": list(self.values)}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Vocabulary:
        return Vocabulary(values["column"], tuple(values["values"]))


@dataclass(frozen=True)
class Scaling:
    """A numeric column: (x - mean) / scale, missing values 0; with an indicator if training rows miss some.

    NaN and infinite values count as missing. Dates and times count in seconds since 1970.

    Attributes:
        edges: increasing edges of quantile bins in standardised units; at least two.
        indicator: a second, 0/1 column tells missing values.
    """

    column: str
    mean: float
    scale: float
    edges: tuple[float, ...]
    indicator: bool

    @staticmethod
    def fit(column: pl.Series, bins: int) -> Scaling | None:
        """Fit on the training rows; None if the column is constant or empty.

        Raises:
            DataError: if the column holds no numbers.
        """
        values = to_numbers(column)
        seen = values[np.isfinite(values)]
        if not len(seen) or seen.min() == seen.max():
            return None
        mean, scale = _location(seen)
        standard = ((seen - mean) / scale).astype(np.float32)
        edges = np.unique(np.quantile(standard, np.linspace(0, 1, bins + 1)).astype(np.float32))
        if len(edges) < 2:  # apart in float64 only: no network would see a difference
            return None
        return Scaling(column.name, mean, scale, tuple(edges.tolist()), len(seen) < len(values))

    def encode(self, column: pl.Series) -> list[NDArray[np.float32]]:
        """Return one or two columns ``[rows]``."""
        values = to_numbers(column)
        seen = np.isfinite(values)
        with np.errstate(over="ignore"):
            standard = (np.where(seen, values, self.mean) - self.mean) / self.scale
        columns = [standard.clip(-_FURTHEST, _FURTHEST).astype(np.float32)]
        return [*columns, (~seen).astype(np.float32)] if self.indicator else columns

    @property
    def bins(self) -> list[tuple[float, ...]]:
        """Edges of each encoded column."""
        return [self.edges, (0.0, 1.0)] if self.indicator else [self.edges]

    def to_dict(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "mean": self.mean,
            "scale": self.scale,
            "edges": list(self.edges),
            "indicator": self.indicator,
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Scaling:
        return Scaling(**{**values, "edges": tuple(values["edges"])})


def to_numbers(column: pl.Series) -> NDArray[np.float64]:
    """Return a column as numbers ``[rows]``, NaN where missing.

    Raises:
        DataError: if it holds text without any number in it, or lists and the like.
    """
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime | pl.Date):
        column = column.cast(pl.Datetime("ms")).to_physical() / 1000.0
    elif isinstance(dtype, pl.Duration):
        column = column.cast(pl.Duration("ms")).to_physical() / 1000.0
    elif isinstance(dtype, pl.Time):
        column = column.to_physical() / 1e9
    _check_plain(column)
    numbers = column.cast(pl.Float64, strict=False)
    if dtype == pl.String and numbers.null_count() == len(column) > column.null_count():
        raise DataError(
            f"Column '{column.name}' is read as numbers, but holds text such as {column.drop_nulls()[0]!r}.",
            "Call it categorical, or mend the column.",
        )
    return np.asarray(numbers.to_numpy())  # null becomes NaN


def value_names(column: pl.Series) -> pl.Series:
    """Return the values as text, null where missing."""
    _check_plain(column)
    if not column.dtype.is_float():
        text: pl.Series = column.cast(pl.String)
        return text
    x = pl.col("value").fill_nan(None)
    whole = (x == x.floor()) & (x.abs() < _EXACT)
    named = pl.when(whole).then(x.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(x.cast(pl.String))
    return pl.DataFrame({"value": column}).select(named.alias("value"))["value"]


def _location(seen: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard deviation; of numbers too large or small for them, median and largest size."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(seen.mean()), float(seen.std())
    if np.isfinite(mean) and np.isfinite(scale) and scale > 0:
        return mean, scale
    return float(np.quantile(seen, 0.5, method="lower")), float(np.abs(seen).max())


def _check_plain(column: pl.Series) -> None:
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        raise DataError(
            f"Column '{column.name}' holds values of type {column.dtype}, neither numbers nor text.",
            "Drop it from the features, or take it apart into plain columns.",
        )
