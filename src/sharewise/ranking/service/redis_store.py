"""RedisStore: features of items and users in a Redis (extra ``redis``), for services on several machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sharewise.errors import ConfigError, SharewiseError
from sharewise.ranking.service.feature_store import KEYS, Rows

#: Names in the Redis: values by key and id, their numbers, and the last number.
FEATURES, CHANGES, NUMBER = "sharewise:features", "sharewise:changes", "sharewise:number"


class RedisStore:
    """Features of items and users.

    Args:
        address: such as ``redis://localhost:6379/0``.

    Raises:
        ConfigError: if the package is not installed.
        SharewiseError: if nobody answers there.
    """

    def __init__(self, address: str) -> None:
        try:
            import redis
        except ImportError as error:
            raise ConfigError(
                "A store in a Redis needs the package 'redis'.", "pip install 'sharewise[redis]'"
            ) from error
        self._error: type[Exception] = redis.RedisError
        self._address = address
        with self._reported():
            self._client: Any = redis.Redis.from_url(address, decode_responses=True, socket_timeout=10)
            self._client.ping()

    def put(self, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write features; all rows or none of them. See `FeatureStore`."""
        fields = [json.dumps([key, row[key]]) for row in rows]

        def write(pipe: Any) -> None:
            before = dict(zip(fields, pipe.hmget(FEATURES, fields), strict=True))
            number = int(pipe.get(NUMBER) or 0)
            pipe.multi()
            for field, row in zip(fields, rows, strict=True):
                number += 1
                own = before[field]
                before[field] = json.dumps({**(json.loads(own) if own else {}), **row})
                pipe.hset(FEATURES, field, before[field])
                pipe.zadd(CHANGES, {field: number})
            pipe.set(NUMBER, number)

        with self._reported():
            self._client.transaction(write, FEATURES, NUMBER)

    def since(self, number: int) -> tuple[int, Rows]:
        """Return the number of the last row, and all rows with higher ones. See `FeatureStore`."""
        with self._reported():
            changed = self._client.zrangebyscore(CHANGES, f"({number}", "+inf", withscores=True)
            values = self._client.hmget(FEATURES, [field for field, _ in changed]) if changed else []
        found: Rows = {}
        for (field, own), value in zip(changed, values, strict=True):
            number = int(own)
            key = json.loads(field)[0]
            if key in KEYS:
                found.setdefault(key, []).append(json.loads(value))
        return number, found

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except (self._error, ValueError) as error:
            raise SharewiseError(
                f"The features in '{self._address}' cannot be used: {error}.",
                "Start a Redis there, or name another.",
            ) from error
