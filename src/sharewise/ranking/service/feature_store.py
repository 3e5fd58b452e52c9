"""FeatureStore: what is known of items and users between two versions; others may write it too.

A version knows what the log last said of items and users when its candidates were learnt. What has changed
since, such as the clicks of the last hour, comes here: a row an item or user, each with a number that rises,
so that a service asks only for what it has not seen. Any program may write rows; several services may read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

#: Whose features there are, by the column of their ids.
KEYS = ("item", "user")

Rows = dict[str, list[dict[str, Any]]]


class FeatureStore(Protocol):
    """Features of items and users.

    Raises:
        SharewiseError: from every method, if the store cannot be reached or written to.
    """

    def put(self, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write features; all rows or none of them.

        Args:
            key: "item" or "user".
            rows: columns by name, the id among them under the key's name; columns that are not given stay.
        """
        ...

    def since(self, number: int) -> tuple[int, Rows]:
        """Return the number of the last row, and all rows with higher ones than `number`, by key."""
        ...
