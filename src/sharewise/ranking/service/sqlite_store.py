"""SqliteStore: features of items and users in a file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sharewise.errors import SharewiseError
from sharewise.ranking.service.feature_store import KEYS, Rows

_SCHEMA = """
CREATE TABLE IF NOT EXISTS features (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (key, id)
)
"""


class SqliteStore:
    """Features of items and users.

    Args:
        path: of the file, which need not be there.

    Raises:
        SharewiseError: if it is no such file, or cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(_SCHEMA)

    def put(self, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write features; all rows or none of them. See `FeatureStore`."""
        with self._open() as connection:
            for row in rows:
                named = (key, json.dumps(row[key]))
                found = connection.execute("SELECT value FROM features WHERE key = ? AND id = ?", named)
                before = found.fetchone()
                value = {**(json.loads(before[0]) if before else {}), **row}
                connection.execute(
                    "INSERT OR REPLACE INTO features (key, id, value) VALUES (?, ?, ?)",
                    (*named, json.dumps(value)),
                )

    def since(self, number: int) -> tuple[int, Rows]:
        """Return the number of the last row, and all rows with higher ones. See `FeatureStore`."""
        found: Rows = {key: [] for key in KEYS}
        with self._open() as connection:
            rows = connection.execute(
                "SELECT number, key, value FROM features WHERE number > ? ORDER BY number", (number,)
            )
            for own, key, value in rows:
                number = own
                if key in found:
                    found[key].append(json.loads(value))
        return number, {key: own for key, own in found.items() if own}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=10)) as connection, connection:
                yield connection
        except sqlite3.Error as error:
            raise SharewiseError(
                f"The features in '{self._path}' cannot be used: {error}.",
                "Name another file, or remove this one.",
            ) from error
