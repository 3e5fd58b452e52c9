"""What the log last said of items, queries and users: the features that candidates are ranked by."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sharewise.ranking.candidates.requests import Ids

ROW = "row"


class Remembered:
    """The last values of columns, by row.

    Args:
        columns: their names.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self._frame = pl.DataFrame(schema={ROW: pl.Int64})
        self._places: Ids | None = None

    def learn(self, rows: Ids, frame: pl.DataFrame) -> None:
        """Take in a stretch's values, ``[rows]``, in the order of time; row -1 is nobody's."""
        if not self.columns:
            return
        own = frame.select(pl.Series(ROW, rows), *self.columns).filter(pl.col(ROW) >= 0)
        parts = [self._frame, own] if len(self._frame) else [own]
        joined = pl.concat(parts, how="vertical_relaxed")
        self._frame = joined.unique(ROW, keep="last", maintain_order=True)
        self._places = None

    def of(self, rows: Ids) -> pl.DataFrame:
        """Return the columns of rows, null where nothing was ever said."""
        if not self.columns:
            return pl.DataFrame()
        if not len(self._frame):
            return pl.DataFrame({name: pl.Series(name, [None] * len(rows)) for name in self.columns})
        if self._places is None:
            self._places = _places(self._frame[ROW].to_numpy())
        inside = (rows >= 0) & (rows < len(self._places))
        place = np.where(inside, self._places[np.where(inside, rows, 0)], -1)
        known = self._frame.select(self.columns)
        if (place < 0).any():
            return known.select(pl.all().gather(pl.Series(place, dtype=pl.Int64).replace(-1, None)))
        return known[place]

    def tensors(self) -> dict[str, Tensor]:
        """Return all that is known, by name: a table in Arrow's format, as bytes."""
        content = io.BytesIO()
        self._frame.rechunk().write_ipc(content)
        return {"table": torch.frombuffer(bytearray(content.getvalue()), dtype=torch.uint8)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        self._frame = pl.read_ipc(io.BytesIO(tensors["table"].numpy().tobytes()))
        self._places = None


def _places(rows: Ids) -> Ids:
    """Return each row's place in the table, -1 where it has none: one look-up in place of a join."""
    places = np.full(int(rows.max()) + 1, -1, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    return places
