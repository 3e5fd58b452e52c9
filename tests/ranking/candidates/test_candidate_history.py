"""The history: as lists of a loop."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sharewise.ranking.candidates.history import History

STRETCHES = st.lists(
    st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 20)), max_size=12), min_size=1, max_size=4
)


def padded(items: list[int], width: int) -> list[int]:
    last = items[::-1][:width]
    return last + [-1] * (width - len(last))


@given(STRETCHES, st.integers(1, 6), st.integers(1, 6))
def test_as_lists(stretches: list[list[tuple[int, int]]], length: int, width: int) -> None:
    history, seen = History(length), defaultdict(list)
    width = min(width, length)
    for stretch in stretches:
        users = np.array([user for user, _ in stretch], dtype=np.int64)
        items = np.array([item for _, item in stretch], dtype=np.int64)
        expected = []
        for user, item in stretch:
            expected.append(padded(seen[user] if user >= 0 else [], width))
            seen[user].append(item)
        found = history.before(users, items, width)
        assert found.tolist() == expected
        some = np.arange(0, len(users), 2)
        assert history.before(users, items, width, some).tolist() == expected[::2]
        history.learn(users, items, 5)
        other = History(length)
        other.load(history.tensors())
        everyone = np.arange(-1, 7)
        own = [padded(seen[user][-length:] if user >= 0 else [], width) for user in everyone.tolist()]
        assert history.last(everyone, width).tolist() == own
        assert other.last(everyone, width).tolist() == own
