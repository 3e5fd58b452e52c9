"""Co-watched: as sums of faded pairs written out in a loop, whatever the stretches."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from candidate_kit import asking, items_of, watching

from sharewise.ranking.candidates import CoWatchOptions
from sharewise.ranking.candidates.co_watched import CoWatched
from sharewise.ranking.candidates.history import History

OPTIONS = CoWatchOptions(window=3, half_life=10.0, shrink=1.5, neighbours=1000, beside=0.5)
USERS, ITEMS, WIDTH = 6, 12, 5


def draw(seed: int, count: int = 80) -> tuple[np.ndarray, ...]:
    chance = np.random.default_rng(seed)
    user, item = chance.integers(0, USERS, count), chance.integers(0, ITEMS, count)
    query = np.where(chance.random(count) < 0.5, chance.integers(0, ITEMS, count), -1)
    return user, query, item, np.sort(chance.random(count) * 30)


def taught(seed: int, cuts: list[int], options: CoWatchOptions = OPTIONS) -> CoWatched:
    user, query, item, time = draw(seed)
    source, history = CoWatched(items_of(ITEMS), options), History(WIDTH)
    for start, stop in zip([0, *cuts], [*cuts, len(user)], strict=True):
        rows = slice(start, stop)
        past = history.before(user[rows], item[rows], WIDTH)
        source.learn(watching(user[rows], query[rows], item[rows], past, time[rows]))
        history.learn(user[rows], item[rows], USERS)
    return source


def pairs_by_hand(seed: int) -> np.ndarray:
    user, query, item, time = draw(seed)
    pairs: dict[tuple[int, int], float] = defaultdict(float)
    seen: dict[int, list[int]] = defaultdict(list)
    for who, what, one, when in zip(user, query, item, time, strict=True):
        before = [other for other in seen[who][::-1][: OPTIONS.window] if other != what]
        for other in [what, *before] if what >= 0 else before:
            if other != one:
                left = 2 ** (-(time[-1] - when) / OPTIONS.half_life)
                pairs[other, one] += left
                pairs[one, other] += left
        seen[who].append(one)
    matrix = np.zeros((ITEMS, ITEMS))
    for place, weight in pairs.items():
        matrix[place] = weight
    return matrix


@pytest.mark.parametrize("cuts", [[], [40], [10, 11, 50]])
def test_pairs_are_those_of_a_loop(cuts: list[int]) -> None:
    found = taught(1, cuts).pairs.toarray()
    np.testing.assert_allclose(found, pairs_by_hand(1), rtol=1e-12, atol=1e-12)


def test_proposals_are_those_of_the_formula() -> None:
    source, pairs = taught(2, [30]), pairs_by_hand(2)
    weight = pairs.sum(1)
    similar = pairs / np.sqrt(np.outer(weight, weight)) * pairs / (pairs + OPTIONS.shrink)
    requests = asking([3, -1, 4], [[], [5, 6], [4, 7]])
    shares = 1 / (1 + np.arange(2))
    expected = np.stack(
        [
            similar[3],
            shares @ similar[[5, 6]] / shares.sum(),
            similar[4] + OPTIONS.beside * similar[7],  # the query among the past is no watch beside it
        ]
    )
    found = source.propose(requests, ITEMS)
    for row, scores in enumerate(expected):
        order = [i for i in np.argsort(-scores, kind="stable") if scores[i] > 0]
        assert found.items[row][found.items[row] >= 0].tolist() == order
        np.testing.assert_allclose(found.scores[row][: len(order)], scores[order], rtol=1e-9)
    row, asked = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 7, -1, 3, ITEMS + 1, 2])
    there = (asked >= 0) & (asked < ITEMS)
    scored = np.where(there, expected[row, np.where(there, asked, 0)], 0.0)
    np.testing.assert_allclose(source.score(requests, row, asked), scored, rtol=1e-9)


def test_only_the_heaviest_pairs_of_an_item_are_kept() -> None:
    whole, cut = taught(3, []).pairs.toarray(), taught(3, [], CoWatchOptions(3, 10.0, 1.5, 2)).pairs.toarray()
    for full, kept in zip(whole, cut, strict=True):
        assert (kept > 0).sum() == min(2, (full > 0).sum())
        np.testing.assert_allclose(np.sort(kept[kept > 0]), np.sort(full[full > 0])[-2:])


def test_unknown_items_and_strangers_get_nothing() -> None:
    source = taught(4, [])
    found = source.propose(asking([-1, ITEMS + 7]), 5)
    assert (found.items == -1).all()
    assert CoWatched(items_of(3), OPTIONS).propose(asking([1]), 5).items.size == 0


def test_resumes_as_it_was() -> None:
    first = taught(5, [20])
    other = CoWatched(items_of(ITEMS), OPTIONS)
    other.load(first.tensors())
    for source in (first, other):
        user, query, item, time = draw(6)
        past = np.full((len(user), WIDTH), -1)
        source.learn(watching(user, query, item, past, time + 40))
    assert (first.pairs != other.pairs).nnz == 0
    np.testing.assert_array_equal(first.pairs.data, other.pairs.data)
