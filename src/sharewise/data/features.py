"""How one column becomes numbers, fitted on the training rows: vocabularies, and scalings with bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

CATEGORICAL, NUMERIC = "categorical", "numeric"


@dataclass(frozen=True)
class Vocabulary:
    """A categorical column: values by falling frequency, then by name; id 0 is for everything else.

    A missing value is a value of its own, if the training split has one.
    """

    column: str
    values: tuple[str | None, ...]

    @staticmethod
    def fit(column: pl.Series, min_count: int) -> Vocabulary:
        """Fit on the training rows; values rarer than `min_count` are unknown."""
        counts = column.cast(pl.String).value_counts(name="n").filter(pl.col("n") >= min_count)
        ordered = counts.sort("n", counts.columns[0], descending=[True, False], nulls_last=True)
        return Vocabulary(column.name, tuple(ordered[counts.columns[0]].to_list()))

    @property
    def size(self) -> int:
        """Ids, the unknown bucket included."""
        return len(self.values) + 1

    def encode(self, column: pl.Series) -> NDArray[np.int64]:
        """Return ids ``[rows]``."""
        text = column.cast(pl.String)
        known = pl.Series([v for v in self.values if v is not None], dtype=pl.String)
        ids = pl.Series([i + 1 for i, v in enumerate(self.values) if v is not None], dtype=pl.Int64)
        found = text.replace_strict(known, ids, default=0, return_dtype=pl.Int64)
        empty = self.values.index(None) + 1 if None in self.values else 0
        found = pl.select(pl.when(text.is_null()).then(empty).otherwise(found).fill_null(0)).to_series()
        return np.ascontiguousarray(found.cast(pl.Int64).to_numpy())

    def to_dict(self) -> dict[str, Any]:
        return {"column": self.column, "values": list(self.values)}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Vocabulary:
        return Vocabulary(values["column"], tuple(values["values"]))


@dataclass(frozen=True)
class Scaling:
    """A numeric column: (x - mean) / scale, missing values 0; with an indicator if training rows miss some.

    NaN and infinite values count as missing.

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
        """Fit on the training rows; None if the column is constant or empty."""
        values = _numbers(column)
        seen = values[np.isfinite(values)]
        if not len(seen) or seen.min() == seen.max():
            return None
        mean, scale = float(seen.mean()), float(seen.std())
        if not (np.isfinite(scale) and scale > 0):
            mean, scale = float(np.median(seen)), float(np.abs(seen).max())
        standard = ((seen - mean) / scale).astype(np.float32)
        edges = np.unique(np.quantile(standard, np.linspace(0, 1, bins + 1)).astype(np.float32))
        return Scaling(column.name, mean, scale, tuple(edges.tolist()), len(seen) < len(values))

    def encode(self, column: pl.Series) -> list[NDArray[np.float32]]:
        """Return one or two columns ``[rows]``."""
        values = _numbers(column)
        seen = np.isfinite(values)
        filled = np.where(seen, (np.where(seen, values, 0.0) - self.mean) / self.scale, 0.0)
        columns = [filled.astype(np.float32)]
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


def _numbers(column: pl.Series) -> NDArray[np.float64]:
    if isinstance(column.dtype, pl.Datetime | pl.Date):
        column = column.cast(pl.Datetime("ms")).dt.epoch("s")
    return np.asarray(column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy())
