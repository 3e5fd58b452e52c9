"""Vocabularies that grow: values of many columns share the rows of one table, in order of their coming.

Row c is for the unknown values of column c, so the first rows are as many as there are columns; after them
every new value takes the next row, and keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.errors import DataError

#: What a column of values may be kept as.
TYPES: dict[str, Any] = {"number": pl.Int64, "text": pl.String}


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
        self._known = {name: _frame([], [], kept) for name, kept in columns.items()}

    def encode(self, frame: pl.DataFrame) -> NDArray[np.int64]:
        """Return the rows of all values, ``[rows, columns]``.

        Raises:
            DataError: if a column holds values of another type.
        """
        found = np.empty((len(frame), len(self.columns)), dtype=np.int64)
        for place, name in enumerate(self.columns):
            values = pl.DataFrame({"value": self._values(frame, name)})
            joined = values.join(self._known[name], "value", "left", nulls_equal=True, maintain_order="left")
            found[:, place] = joined["row"].fill_null(place).to_numpy()
        return found

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
                rows = pl.int_range(self.rows, self.rows + len(fresh), eager=True)
                added = pl.DataFrame({"value": fresh, "row": rows})
                self._known[name] = pl.concat([self._known[name], added], rechunk=True)
                self.rows += len(fresh)
        return self.rows

    def tensors(self) -> dict[str, Tensor]:
        """Return all that is known, by name."""
        found: dict[str, Tensor] = {}
        for place, known in enumerate(self._known.values()):
            packed = _pack(known["value"])
            found |= {f"{place}.{part}": value for part, value in packed.items()}
            found[f"{place}.row"] = torch.from_numpy(known["row"].to_numpy().copy())
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`, for the same columns."""
        self.rows = len(self.columns)
        for place, (name, kept) in enumerate(self.columns.items()):
            rows = tensors[f"{place}.row"].numpy()
            parts = {part: tensors[f"{place}.{part}"].numpy() for part in ("data", "length", "null")}
            self._known[name] = _frame(_unpack(parts, kept), rows, kept)
            self.rows = max(self.rows, int(rows.max()) + 1 if len(rows) else 0)

    def _values(self, frame: pl.DataFrame, name: str) -> pl.Series:
        column = frame[name]
        kept = value_type(column.dtype)
        if kept != self.columns[name] and column.null_count() < len(column):
            raise DataError(
                f"Column '{name}' holds {column.dtype}, but held {_said(self.columns[name])} before.",
                "Write it as before, or drop it from the features.",
            )
        values: pl.Series = column.cast(TYPES[self.columns[name]])
        return values


def _said(kept: str) -> str:
    return "whole numbers" if kept == "number" else "texts"


def _frame(values: Any, rows: Any, kept: str) -> pl.DataFrame:
    return pl.DataFrame({"value": values, "row": rows}, schema={"value": TYPES[kept], "row": pl.Int64})


def _pack(values: pl.Series) -> dict[str, Tensor]:
    null = torch.from_numpy(np.flatnonzero(values.is_null().to_numpy()))
    if values.dtype != pl.String:
        data = torch.from_numpy(values.fill_null(0).to_numpy().copy())
        return {"data": data, "length": torch.zeros(0, dtype=torch.int64), "null": null}
    filled = values.fill_null("")
    content = "".join(filled.to_list()).encode()
    data = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.zeros(0).byte()
    return {"data": data, "length": torch.from_numpy(_lengths(filled)), "null": null}


def _lengths(values: pl.Series) -> NDArray[np.int64]:
    return np.array(values.str.len_bytes().cast(pl.Int64).to_numpy(), dtype=np.int64)


def _unpack(parts: Mapping[str, NDArray[Any]], kept: str) -> Sequence[Any] | pl.Series:
    if kept == "number":
        values: list[Any] = parts["data"].tolist()
    else:
        content, ends = parts["data"].tobytes(), np.cumsum(parts["length"]).tolist()
        values = [content[a:b].decode() for a, b in zip([0, *ends[:-1]], ends, strict=True)] if ends else []
    for place in parts["null"].tolist():
        values[place] = None
    return values
