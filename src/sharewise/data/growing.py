"""Vocabularies that grow: values of many columns share the rows of one table, in order of their coming.

Row c is for the unknown values of column c, so the first rows are as many as there are columns; after them
every new value takes the next row, and keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from sharewise.data.lookup import KEPT
from sharewise.errors import DataError


def value_type(dtype: pl.DataType) -> str | None:
    """Return how values of a column of this type are kept; None if they are no categories."""
    if dtype.is_integer() or dtype == pl.Boolean:
        return "number"
    return "text" if isinstance(dtype, pl.String | pl.Categorical | pl.Enum) else None


class GrowingVocabulary:
    """Values of categorical columns -> rows of one table.

    A missing value is a value like others. How values are found depends on nothing but the values.

    Args:
        columns: how each column's values are kept, "number" (whole ones) or "text".
        most: rows in all; values that come after them stay unknown.
    """

    def __init__(self, columns: Mapping[str, str], most: int) -> None:
        self.columns, self.most = dict(columns), most
        self.rows = len(columns)
        self._known = {name: KEPT[kept][1]() for name, kept in columns.items()}

    def encode(self, frame: pl.DataFrame) -> NDArray[np.int64]:
        """Return the rows of all values, ``[rows, columns]``.

        Raises:
            DataError: if a column holds values of another type.
        """
        found = np.empty((len(frame), len(self.columns)), dtype=np.int64)
        for place, name in enumerate(self.columns):
            rows = self._known[name].find(self._values(frame, name))
            found[:, place] = np.where(rows < 0, place, rows)
        return found

    def one(self, name: str, value: Any) -> int:
        """Return the row of one value of a column, as `encode` does for many."""
        row = self._known[name].one(value)
        return list(self.columns).index(name) if row < 0 else row

    def learn(self, frame: pl.DataFrame, found: NDArray[np.int64]) -> int:
        """Give rows to the values that have none; return the rows that there are now.

        Args:
            frame: the values.
            found: what `encode` has just said of them.
        """
        for place, name in enumerate(self.columns):
            unknown = self._values(frame, name).filter(pl.Series(found[:, place] == place))
            fresh = unknown.unique(maintain_order=True).head(max(self.most - self.rows, 0))
            if len(fresh):
                self._known[name].add(fresh, np.arange(self.rows, self.rows + len(fresh)))
                self.rows += len(fresh)
        return self.rows

    def tensors(self) -> dict[str, Tensor]:
        """Return all that is known, by name."""
        known = enumerate(self._known.values())
        return {f"{place}.{part}": v for place, one in known for part, v in one.tensors().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`, for the same columns."""
        self.rows = len(self.columns)
        for place, (name, kept) in enumerate(self.columns.items()):
            known, start = KEPT[kept][1](), f"{place}."
            known.load({part[len(start) :]: v for part, v in tensors.items() if part.startswith(start)})
            self._known[name] = known
            self.rows += len(known.rows)

    def _values(self, frame: pl.DataFrame, name: str) -> pl.Series:
        column, own = frame[name], self.columns[name]
        if value_type(column.dtype) != own and column.null_count() < len(column):
            raise DataError(
                f"Column '{name}' holds {column.dtype}, but held {_said(own)} before.",
                "Write it as before, or drop it from the features.",
            )
        values: pl.Series = column.cast(KEPT[own][0])
        return values


def _said(kept: str) -> str:
    return "whole numbers" if kept == "number" else "texts"
