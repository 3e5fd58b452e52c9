"""Tables of what is known of items, queries and users: as the network reads it, and as the log has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.ranking.candidates.requests import Ids
from sharewise.ranking.encoding import Encoding


class Table:
    """Columns that go by one key, encoded and as they are.

    Args:
        encoding: of the ranker.
        frame: a row a user or item, the last one nobody's; may have no columns.
    """

    def __init__(self, encoding: Encoding, frame: pl.DataFrame) -> None:
        self._encoded = encoded(encoding, frame)
        own = plain(frame)
        self.types = {name: str(dtype) for name, dtype in own.schema.items() if dtype != pl.Null}
        self._columns = {column.name: Column(column) for column in own}

    def update(self, encoding: Encoding, frame: pl.DataFrame, rows: Ids) -> None:
        """Write these columns of rows anew; columns that the table does not have are left out."""
        own = frame.select([name for name in frame.columns if name in self._columns])
        for key, (places, values) in encoded(encoding, own).items():
            every, table = self._encoded[key]
            for place, column in zip(places, values.T, strict=True):
                table[rows, every.index(place)] = column
        for column in plain(own):
            self._columns[column.name].write(rows, column)

    def fill(self, found: Mapping[str, NDArray[Any]], rows: Ids) -> None:
        """Write the columns of these rows, or of the only one, into those of the network's inputs."""
        for key, (places, values) in self._encoded.items():
            found[key][:, places] = values[rows]

    def columns(self, rows: Ids) -> dict[str, list[Any]]:
        """Return the values of rows by column."""
        return {name: column.of(rows) for name, column in self._columns.items()}


class Column:
    """Values of which few are wanted at a time.

    Args:
        column: of one of the types of a journal.
    """

    def __init__(self, column: pl.Series) -> None:
        self._missing = np.array(column.is_null().to_numpy())
        self._values: NDArray[Any] | list[Any] = column.to_list()
        if column.dtype.is_numeric() or column.dtype == pl.Boolean:
            filled = column.fill_null(False if column.dtype == pl.Boolean else 0)
            self._values = np.array(filled.to_numpy())

    def write(self, rows: Ids, column: pl.Series) -> None:
        """Let rows have these values from now on."""
        self._missing[rows] = column.is_null().to_numpy()
        if isinstance(self._values, list):
            for row, value in zip(rows.tolist(), column.to_list(), strict=True):
                self._values[row] = value
        else:
            self._values[rows] = column.fill_null(0).cast(pl.Float64).to_numpy().astype(self._values.dtype)

    def of(self, rows: Ids) -> list[Any]:
        """Return the values of rows, None where they are missing."""
        own = self._values
        if isinstance(own, list):
            return [own[row] for row in rows]
        missing = self._missing[rows].tolist()
        return [None if none else v for v, none in zip(own[rows].tolist(), missing, strict=True)]


def encoded(encoding: Encoding, frame: pl.DataFrame) -> dict[str, tuple[list[int], NDArray[Any]]]:
    """Return features as the network reads them: by input the columns' places, and their values."""
    features = [name for name in encoding.schema.features if name in frame.columns]
    if not features:
        return {}
    empty = {name: pl.Series(name, [None] * len(frame)) for name in encoding.schema.features}
    whole = pl.DataFrame({**empty, **{name: frame[name] for name in features}})
    inputs = encoding.read(whole, labelled=False).inputs
    slots = [encoding.slot(name) for name in features]
    found = {}
    for key in dict.fromkeys(key for key, _ in slots):
        places = [place for own, place in slots if own == key]
        found[key] = places, np.ascontiguousarray(inputs[key].numpy()[:, places])
    return found


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Return columns of the four types that a journal can hold; numbers that are not finite are missing."""
    found = []
    for name, dtype in frame.schema.items():
        column = pl.col(name)
        if dtype.is_float():
            column = column.cast(pl.Float64)
            column = pl.when(column.is_finite()).then(column).alias(name)
        elif dtype.is_integer():
            column = column.cast(pl.Int64)
        elif dtype not in (pl.Boolean, pl.Null):
            column = column.cast(pl.String)
        found.append(column)
    return frame.select(found)
