"""Features: what a store says of items and users, written into what answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from sharewise.errors import DataError, nearest
from sharewise.ranking.prepared import Prepared
from sharewise.ranking.service.feature_store import KEYS, FeatureStore

log = logging.getLogger("sharewise.service")


class Features:
    """Lets versions know what a store says.

    Args:
        store: of features; None for none.
    """

    def __init__(self, store: FeatureStore | None) -> None:
        self._store = store
        self._seen: dict[int, int] = {}
        self._applying = threading.Lock()

    def put(self, key: str, rows: Sequence[Mapping[str, Any]], answering: Iterable[Prepared]) -> int:
        """Write features, first into the store, then into what answers; return how many rows are known there.

        Raises:
            DataError: if a row has no id, or columns or values that nobody reads; nothing was written.
        """
        if self._store is None:
            raise DataError("This service keeps no features.", "Start it with --features.")
        every = list(answering)
        frame = _frame(key, rows, every)
        self._store.put(key, rows)
        self.follow(every)
        return max((one.known(key, frame[key]) for one in every), default=0)

    def follow(self, answering: Iterable[Prepared]) -> None:
        """Write what is new in the store into what answers; into what has not answered before, all of it."""
        if self._store is None:
            return
        with self._applying:
            every = list(answering)
            seen = {}
            for one in every:
                number, found = self._store.since(self._seen.get(id(one), 0))
                for key, rows in found.items():
                    _write(key, rows, one)
                seen[id(one)] = number
            self._seen = seen


def _write(key: str, rows: Sequence[Mapping[str, Any]], one: Prepared) -> None:
    """Write rows that anybody may have stored; unknown columns, and rows of other types, stay out."""
    known = one.types(key)
    own = [{name: value for name, value in row.items() if name in known} for row in rows]
    try:
        one.update(key, _frame(key, own, [one]))
    except DataError as error:
        if len(own) > 1:
            for row in own:
                _write(key, [row], one)
        else:
            log.warning("A row of the features was left out. %s", error)


def _frame(key: str, rows: Sequence[Mapping[str, Any]], answering: Sequence[Prepared]) -> pl.DataFrame:
    """Return rows as a table of the columns that are remembered.

    Raises:
        DataError: if a column is none of them, or a value is of another type.
    """
    if key not in KEYS:
        raise DataError(f"There are no features of '{key:.60}'.", nearest(key, KEYS))
    types: dict[str, pl.DataType] = {}
    for one in answering:
        types |= one.types(key)
    for row in rows:
        if row.get(key) is None:
            raise DataError(f"A row says no {key}.", f"Give every row its '{key}'.")
        for name in row:
            if name not in types:
                raise DataError(f"Nothing is remembered of '{name:.60}'.", nearest(name, tuple(types)))
    names = dict.fromkeys(name for row in rows for name in row)
    try:
        columns = [pl.Series(name, [row.get(name) for row in rows], dtype=types[name]) for name in names]
    except (TypeError, pl.exceptions.PolarsError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise DataError(f"A value is of another type: {reason}.", "Give them as the log has them.") from error
    return pl.DataFrame(columns)
