"""Which store an address names."""

from __future__ import annotations

from pathlib import Path

from sharewise.ranking.service.feature_store import FeatureStore
from sharewise.ranking.service.redis_store import RedisStore
from sharewise.ranking.service.sqlite_store import SqliteStore

#: What addresses of a Redis begin with.
REDIS = ("redis://", "rediss://", "unix://")


def open_store(where: str) -> FeatureStore:
    """Open a store: a SQLite file, or the address of a Redis.

    Raises:
        ConfigError: if the package for it is not installed.
        SharewiseError: if it cannot be used.
    """
    if where.startswith(REDIS):
        return RedisStore(where)
    return SqliteStore(Path(where))
