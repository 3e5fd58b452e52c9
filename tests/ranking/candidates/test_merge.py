"""Merging: laws, and a loop that takes turns."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sharewise.ranking.candidates.merge import Merged, merge
from sharewise.ranking.candidates.requests import Found, among, without

LISTS = st.lists(st.lists(st.integers(0, 15), unique=True, max_size=10), min_size=1, max_size=4)
SHARES = st.lists(st.sampled_from([0.5, 1.0, 1.0, 2.0, 3.0]), min_size=4, max_size=4)


def arrays(lists: list[list[int]], width: int = 10) -> list[np.ndarray]:
    return [np.array([own + [-1] * (width - len(own))], dtype=np.int64) for own in lists]


def by_hand(lists: list[list[int]], shares: list[float], count: int) -> tuple[list[int], list[int]]:
    turns = [
        ((place + 1) / shares[s], s, item) for s, own in enumerate(lists) for place, item in enumerate(own)
    ]
    taken = list(dict.fromkeys(item for _, _, item in sorted(turns, key=lambda turn: turn[:2])))[:count]
    return taken, [sum(1 << s for s, own in enumerate(lists) if item in own) for item in taken]


def listed(merged: Merged, row: int = 0) -> tuple[list[int], list[int]]:
    there = merged.items[row] >= 0
    assert not (np.diff(there.astype(int)) > 0).any()  # padding is at the end
    assert (merged.sources[row][~there] == 0).all()
    return merged.items[row][there].tolist(), merged.sources[row][there].tolist()


@given(LISTS, SHARES, st.integers(1, 30))
def test_takes_turns_by_shares(lists: list[list[int]], shares: list[float], count: int) -> None:
    own = shares[: len(lists)]
    found = listed(merge(arrays(lists), own, count))
    assert found == by_hand(lists, own, count)
    items, sources = found
    assert len(set(items)) == len(items) <= count
    assert all(bits > 0 for bits in sources)
    if count >= 16:
        assert set(items) == set().union(*lists)


@given(st.lists(LISTS.filter(lambda lists: len(lists) >= 2), min_size=2, max_size=4))
def test_requests_do_not_touch_each_other(requests: list[list[list[int]]]) -> None:
    parts = [arrays(lists[:2]) for lists in requests]
    together = merge([np.concatenate(own) for own in zip(*parts, strict=True)], [1.0, 2.0], 7)
    for row, part in enumerate(parts):
        assert listed(together, row) == listed(merge(part, [1.0, 2.0], 7))


def test_a_share_is_a_share_of_the_list() -> None:
    first, second = np.arange(100)[None], np.arange(100, 200)[None]
    merged = merge([first, second], [3.0, 1.0], 40)
    assert (merged.sources[0] == 1).sum() == 30
    assert (merged.sources[0] == 2).sum() == 10


@given(LISTS, st.lists(st.integers(-1, 15), max_size=30), st.integers(1, 12))
def test_what_is_excluded_is_left_out_in_order(lists: list[list[int]], out: list[int], count: int) -> None:
    items = arrays(lists[:1])[0]
    excluded = np.array([out], dtype=np.int64).reshape(1, -1)
    found = without(Found(items, np.zeros(items.shape)), excluded, count).items[0]
    assert found[found >= 0].tolist() == [item for item in lists[0] if item not in out][:count]
    assert among(items, excluded)[0].tolist() == [i >= 0 and i in out for i in items[0].tolist()]
