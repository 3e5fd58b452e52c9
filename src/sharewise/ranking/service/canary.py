"""Canaries: requests that a version must answer well before anybody else's are given to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sharewise.errors import CheckpointError
from sharewise.ranking.service.version import Version

#: Known users and items that canaries ask with, beside a stranger.
KNOWN = 8
#: Items of their lists.
COUNT = 20


def check_version(version: Version) -> None:
    """Let a version answer canary requests, which also warms it.

    Raises:
        CheckpointError: if a list is empty, a prediction or score is no number, a probability is none, or
            scores tell no items apart.
    """
    scores = []
    for user, query in _asking(version):
        items = version.recommend(user, query, dict.fromkeys(version.asking.must), COUNT).items
        _check(items, version)
        scores.append([one["score"] for one in items])
    spread = [score for own in scores for score in own]
    if len(spread) > len(scores) and len(set(spread)) == 1:
        raise CheckpointError("All items have one score, so lists would have no order.", "Train it further.")


def _asking(version: Version) -> list[tuple[object, object]]:
    proposer = version.retriever.proposer
    users = proposer.users.values(_spaced(len(proposer.users))).to_list()
    items = proposer.catalogue.ids.values(_spaced(len(proposer.catalogue))).to_list()
    pairs: list[tuple[object, object]] = list(zip(users, items, strict=False))
    return [(None, None), *pairs]


def _spaced(count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.unique(np.linspace(0, max(count - 1, 0), min(KNOWN, count)).astype(np.int64))


def _check(items: Sequence[Mapping[str, Any]], version: Version) -> None:
    if not items:
        raise CheckpointError("A canary request got an empty list.", "Learn candidates from more of the log.")
    kinds = {task.name: task.kind.name for task in version.ranker.plan.tasks}
    for name in ("score", *version.objectives):
        values = [one["score"] if name == "score" else one["predictions"][name] for one in items]
        if None in values:
            raise CheckpointError(
                f"Its '{name}' is no finite number for a canary request.", "Train it again."
            )
        if kinds.get(name) == "binary" and not all(0 <= value <= 1 for value in values):
            raise CheckpointError(f"Its '{name}' is no probability for a canary request.", "Train it again.")
