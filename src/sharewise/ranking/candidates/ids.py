"""Ids of users or items, whole numbers or texts, and their rows: from 0 on, in the order of their coming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from sharewise.data.growing import value_type
from sharewise.data.lookup import KEPT
from sharewise.errors import DataError


class Ids:
    """Rows of ids.

    Args:
        name: of the log's column.
        kept: "number" for whole numbers, or "text".
    """

    def __init__(self, name: str, kept: str) -> None:
        self.name, self.kept = name, kept
        self._lookup = KEPT[kept][1]()
        self._values = pl.Series(name, [], dtype=KEPT[kept][0])

    def __len__(self) -> int:
        return len(self._values)

    def find(self, values: pl.Series) -> NDArray[np.int64]:
        """Return each id's row; -1 where it is unknown or missing.

        Raises:
            DataError: if the ids are of another type.
        """
        if value_type(values.dtype) != self.kept and values.null_count() < len(values):
            held = "whole numbers" if self.kept == "number" else "texts"
            raise DataError(
                f"The ids '{self.name}' are {values.dtype}, not {held}.", "Give them as the log has them."
            )
        found = self._lookup.find(values.cast(KEPT[self.kept][0]))
        if not values.null_count():
            return np.array(found)
        return np.where(values.is_not_null().to_numpy(), found, -1)

    def one(self, value: Any) -> int:
        """Return the row of one id of the right type, as `find` does for many."""
        return -1 if value is None else self._lookup.one(value)

    def learn(self, values: pl.Series) -> NDArray[np.int64]:
        """Give rows to the ids that have none, in the order of their coming; return all ids' rows."""
        found = self.find(values)
        new = values.cast(KEPT[self.kept][0]).filter(pl.Series(found < 0, dtype=pl.Boolean))
        fresh = new.drop_nulls().unique(maintain_order=True)
        if not len(fresh):
            return found
        self._lookup.add(fresh, np.arange(len(self), len(self) + len(fresh)))
        self._values = pl.concat([self._values, fresh.rename(self.name)], rechunk=True)
        return self.find(values)

    def values(self, rows: NDArray[np.int64]) -> pl.Series:
        """Return the ids of rows, null for -1."""
        if not len(self):
            return pl.Series(self.name, [None] * len(rows), dtype=KEPT[self.kept][0])
        found = self._values.gather(np.maximum(rows, 0))
        known = pl.Series(rows >= 0, dtype=pl.Boolean)
        return found.to_frame().select(pl.when(known).then(self.name).alias(self.name))[self.name]

    def tensors(self) -> dict[str, Tensor]:
        """Return all that is known, by name."""
        return self._lookup.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        self._lookup = KEPT[self.kept][1]()
        self._lookup.load(tensors)
        self._values = self._lookup.values().alias(self.name)
