"""Hashed columns: values -> one of so many buckets, without a vocabulary, equal on every machine and run."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.data.growing import value_type
from sharewise.errors import DataError
from sharewise.streams import derive_seed

_PRIME = np.uint64(0x100000001B3)


def hash_column(column: pl.Series, buckets: int) -> NDArray[np.int64]:
    """Return each value's bucket ``[rows]``, 1 to `buckets`; 0 where it is missing.

    The column's name is part of the hash: equal values of two columns fall apart.

    Raises:
        DataError: if the column holds neither whole numbers nor texts.
    """
    kept = value_type(column.dtype)
    if kept is None and column.null_count() < len(column):
        raise DataError(
            f"Column '{column.name}' holds {column.dtype}, which cannot be hashed.",
            "Hash columns of whole numbers or texts.",
        )
    if kept == "text":
        codes = _texts(column.cast(pl.String).fill_null(""))
    else:
        codes = column.cast(pl.Int64).fill_null(0).to_numpy().astype(np.uint64)
    salt = np.uint64(derive_seed(0, "hash", column.name))
    found = (_scrambled(codes ^ salt) % np.uint64(buckets)).astype(np.int64) + 1
    return np.where(column.is_null().to_numpy(), 0, found)


def _texts(column: pl.Series) -> NDArray[np.uint64]:
    """Return a 64-bit code of each text (Fowler-Noll-Vo, all texts a byte at a time), once a value."""
    values = column.unique(maintain_order=True)
    raw = np.array([text.encode() for text in values.to_list()], dtype=bytes)
    letters = raw.view(np.uint8).reshape(len(raw), -1) if len(raw) else np.zeros((0, 0), dtype=np.uint8)
    codes = np.full(len(raw), 0xCBF29CE484222325, dtype=np.uint64)
    for letter in letters.T.astype(np.uint64):
        codes = np.where(letter > 0, (codes ^ letter) * _PRIME, codes)
    place = column.to_frame("value").join(
        pl.DataFrame({"value": values, "place": np.arange(len(raw))}),
        on="value",
        how="left",
        maintain_order="left",
    )
    found: NDArray[np.uint64] = codes[place["place"].to_numpy()]
    return found


def _scrambled(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits (the finisher of SplitMix64, Steele et al. 2014)."""
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: NDArray[np.uint64] = codes ^ (codes >> np.uint64(31))
    return found
