"""Lookups: values of one column -> the rows that they were given, whatever how many are known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

Ids = NDArray[np.int64]
#: Numbers are places in a table, if it has at most so many entries, or so many a value.
SMALL, SPARSE = 1 << 20, 16
#: Times as many texts known as asked for.
MANY = 2


class Lookup(ABC):
    """Values with rows; a missing value is one like others.

    Attributes:
        rows: in the order in which values were added.
    """

    def __init__(self) -> None:
        self.rows: Ids = np.zeros(0, dtype=np.int64)

    @abstractmethod
    def find(self, values: pl.Series) -> Ids:
        """Return each value's row, -1 where it has none."""

    @abstractmethod
    def one(self, value: Any) -> int:
        """Return the row of one value, -1 if it has none: a hundred times as fast as a column of one."""

    def add(self, values: pl.Series, rows: Ids) -> None:
        """Give rows to values that have none, each of them once."""
        self.rows = np.concatenate([self.rows, rows])
        self._keep(values, rows)

    @abstractmethod
    def _keep(self, values: pl.Series, rows: Ids) -> None: ...

    @abstractmethod
    def values(self) -> pl.Series:
        """Return the values that have rows, in the order in which they were added."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return all that is known, by name."""

    @abstractmethod
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`, into an empty lookup."""


class NumberLookup(Lookup):
    """Whole numbers: places in a table if they are small, found by halving otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self._values: Ids = np.zeros(0, dtype=np.int64)
        self._null = -1
        self._table: Ids | None = np.zeros(0, dtype=np.int64)
        self._order: Ids = np.zeros(0, dtype=np.int64)

    def find(self, values: pl.Series) -> Ids:
        filled = values.fill_null(0) if values.null_count() else values
        x = np.asarray(filled.to_numpy(), dtype=np.int64)
        found = self._halved(x) if self._table is None else _placed(self._table, x)
        return np.where(values.is_null().to_numpy(), self._null, found) if values.null_count() else found

    def one(self, value: Any) -> int:
        if value is None:
            return self._null
        if self._table is None:
            return int(self._halved(np.array([value], dtype=np.int64))[0])
        return int(self._table[value]) if 0 <= value < len(self._table) else -1

    def _keep(self, values: pl.Series, rows: Ids) -> None:
        null = values.is_null().to_numpy()
        x = np.asarray(values.fill_null(0).to_numpy(), dtype=np.int64)
        if null.any():
            self._null = int(rows[null][0])
        self._values = np.concatenate([self._values, x])
        self._seen(x[~null], rows[~null])

    def _seen(self, x: Ids, rows: Ids) -> None:
        if self._table is not None and len(x):
            most = max(SMALL, SPARSE * len(self.rows))
            if x.min() < 0 or x.max() >= most:
                self._table = None
            else:
                self._table = _longer(self._table, int(x.max()) + 1)
                self._table[x] = rows
        if self._table is None:
            there = np.flatnonzero(self.rows != self._null)
            self._order = there[np.argsort(self._values[there])]

    def _halved(self, x: Ids) -> Ids:
        known = self._values[self._order]
        at = np.minimum(np.searchsorted(known, x), max(len(known) - 1, 0))
        if not len(known):
            return np.full(len(x), -1, dtype=np.int64)
        return np.where(known[at] == x, self.rows[self._order[at]], -1)

    def values(self) -> pl.Series:
        return _with_null(self._values, self.rows != self._null)

    def tensors(self) -> dict[str, Tensor]:
        null = torch.tensor([self._null])
        return {"value": torch.from_numpy(self._values), "row": torch.from_numpy(self.rows), "null": null}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        rows, null = tensors["row"].numpy().copy(), int(tensors["null"])
        self.add(_with_null(tensors["value"].numpy().copy(), rows != null), rows)


class TextLookup(Lookup):
    """Texts, found by joining."""

    def __init__(self) -> None:
        super().__init__()
        self._known = pl.DataFrame(schema={"value": pl.String, "row": pl.Int64})
        self._rows: dict[str | None, int] | None = None

    def find(self, values: pl.Series) -> Ids:
        asked = pl.DataFrame({"value": values})
        near = self._known
        if len(near) > MANY * len(
            asked
        ):  # of many that are known few are asked for, and only these are hashed
            near = near.join(asked.unique(), on="value", how="inner", nulls_equal=True)
        found = asked.join(near, on="value", how="left", nulls_equal=True, maintain_order="left")
        return np.asarray(found["row"].fill_null(-1).to_numpy(), dtype=np.int64)

    def one(self, value: Any) -> int:
        if self._rows is None:
            self._rows = dict(self._known.iter_rows())
        return self._rows.get(value, -1)

    def _keep(self, values: pl.Series, rows: Ids) -> None:
        self._rows = None
        added = pl.DataFrame({"value": values.cast(pl.String), "row": rows})
        self._known = pl.concat([self._known, added], rechunk=True)

    def values(self) -> pl.Series:
        return self._known["value"]

    def tensors(self) -> dict[str, Tensor]:
        values = self._known["value"]
        lengths = values.str.len_bytes().cast(pl.Int64).fill_null(-1).to_numpy()
        content = "".join(values.drop_nulls().to_list()).encode()
        data = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.zeros(0).byte()
        length = torch.from_numpy(np.array(lengths, dtype=np.int64))
        return {"value": data, "length": length, "row": torch.from_numpy(self.rows)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        lengths = tensors["length"].numpy()
        ends = np.cumsum(np.maximum(lengths, 0)).tolist()
        content = tensors["value"].numpy().tobytes()
        values = [
            None if size < 0 else content[end - size : end].decode()
            for size, end in zip(lengths.tolist(), ends, strict=True)
        ]
        self.add(pl.Series(values, dtype=pl.String), tensors["row"].numpy().copy())


#: How values are kept -> the type of the column, and its lookup.
KEPT: dict[str, tuple[Any, type[Lookup]]] = {
    "number": (pl.Int64, NumberLookup),
    "text": (pl.String, TextLookup),
}


def _with_null(values: Ids, known: NDArray[np.bool_]) -> pl.Series:
    found = pl.Series("value", values)
    if known.all():
        return found
    return found.to_frame().select(pl.when(pl.Series(known)).then("value").alias("value"))["value"]


def _placed(table: Ids, x: Ids) -> Ids:
    inside = (x >= 0) & (x < len(table))
    if not len(table):
        return np.full(len(x), -1, dtype=np.int64)
    return np.where(inside, table[np.where(inside, x, 0)], -1)


def _longer(table: Ids, length: int) -> Ids:
    """Return the table with at least so many entries; it doubles, so that growing costs little."""
    if length <= len(table):
        return table
    more = max(length, 2 * len(table)) - len(table)
    return np.concatenate([table, np.full(more, -1, dtype=np.int64)])
