"""Two-tower retrieval: its loss beside the whole softmax, frequencies beside closed forms, what it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from candidate_kit import GROUPS, asking, items_of, watching

from sharewise.ranking.candidates import TowerOptions
from sharewise.ranking.candidates.asking import Asking
from sharewise.ranking.candidates.frequency import StreamingFrequency
from sharewise.ranking.candidates.requests import Requests
from sharewise.ranking.candidates.towers import TwoTowers, in_batch_loss
from sharewise.ranking.candidates.two_tower import TwoTower

USERS, ITEMS = 24, 32
OPTIONS = TowerOptions(size=8, hidden=(16,), batch_size=64, passes=4, learning_rate=0.01)


def gradients(correct: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradient by items' scores of the in-batch loss, and of the whole softmax."""
    times = torch.tensor([6, 3, 2, 1])  # every item is in the batch as often as its share says
    batch = torch.repeat_interleave(torch.arange(4), times)
    share = times.double() / times.sum()
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(len(batch), 4, dtype=torch.float64, generator=generator, requires_grad=True)
    in_batch_loss(scores[:, batch], share[batch] if correct else None).backward()
    assert scores.grad is not None
    found, scores.grad = scores.grad.clone(), None
    torch.nn.functional.cross_entropy(scores, batch).backward()
    return found, scores.grad


def test_with_the_correction_the_gradient_is_that_of_the_whole_softmax() -> None:
    found, whole = gradients(correct=True)
    torch.testing.assert_close(found, whole, rtol=1e-12, atol=1e-14)
    found, whole = gradients(correct=False)
    assert (found - whole).abs().max() > 0.01


def test_the_gap_approaches_a_constant_one_as_the_formula_says() -> None:
    rate, gap, wrong = 0.1, 7, 20
    frequency = StreamingFrequency(rate)
    frequency.grow(2)
    others = np.ones(gap - 1, dtype=np.int64)
    frequency.learn(np.r_[np.ones(wrong - 1, dtype=np.int64), 0])  # the first gap is taken as it is
    assert frequency.share(np.array([0])) == pytest.approx(1 / wrong)
    for times in range(1, 30):
        frequency.learn(np.r_[others, 0])
        expected = gap + (wrong - gap) * (1 - rate) ** times
        assert frequency.share(np.array([0])) == pytest.approx([1 / expected])


def test_shares_of_a_stream_also_of_what_is_in_every_batch() -> None:
    shares = np.array([0.6, 0.3, 0.09, 0.01])
    chance = np.random.default_rng(0)
    frequency = StreamingFrequency(0.01)
    frequency.grow(4)
    for _ in range(2000):
        frequency.learn(chance.choice(4, 50, p=shares))
    np.testing.assert_allclose(frequency.share(np.arange(4)), shares, rtol=0.15)


def test_an_item_that_came_late_is_as_frequent_as_since_it_came() -> None:
    frequency = StreamingFrequency(0.05)
    frequency.grow(1)
    frequency.learn(np.zeros(1000, dtype=np.int64))
    frequency.grow(2)
    frequency.learn(np.array([0, 1, 0, 1]))
    assert frequency.share(np.array([1])) == pytest.approx([0.5])


def stretch(seed: int, count: int = 600) -> tuple[np.ndarray, ...]:
    """Users watch items of their own group."""
    chance = np.random.default_rng(seed)
    user = chance.integers(0, USERS, count)
    item = chance.integers(0, ITEMS // GROUPS, count) * GROUPS + user % GROUPS
    return user, np.full(count, -1), item, np.full((count, 3), -1), np.sort(chance.random(count))


def taught(stretches: int = 3, options: TowerOptions = OPTIONS) -> TwoTower:
    source = TwoTower(items_of(ITEMS), options, seed=0)
    for seed in range(stretches):
        source.learn(watching(*stretch(seed)))
    return source


def own_group(source: TwoTower) -> float:
    """Return the share of the first items that are of the user's group."""
    users = list(range(USERS))
    found = source.propose(asking([-1] * USERS, user=users), ITEMS // GROUPS).items
    return float((found % GROUPS == np.array(users)[:, None] % GROUPS).mean())


def test_learns_what_users_watch() -> None:
    assert own_group(taught()) > 0.9
    assert taught(0).propose(asking([-1]), 5).items.shape == (1, 0)


def test_the_past_stands_for_users_that_are_unknown() -> None:
    source = TwoTower(items_of(ITEMS), OPTIONS, seed=0)
    for seed in range(4):
        user, query, item, _, time = stretch(seed)
        past = np.random.default_rng(seed).integers(0, ITEMS // GROUPS, (len(user), 3)) * GROUPS
        source.learn(watching(user, query, item, past + (user % GROUPS)[:, None], time))
    found = source.propose(asking([-1] * 4, [[g, g + GROUPS] for g in range(4)]), ITEMS // GROUPS).items
    assert (found % GROUPS == np.arange(4)[:, None]).mean() > 0.9


def test_resumes_bit_for_bit() -> None:
    first, other = taught(2), TwoTower(items_of(ITEMS), OPTIONS, seed=0)
    other.load(first.tensors())
    for source in (first, other):
        source.learn(watching(*stretch(9)))
    found, expected = other.tensors(), first.tensors()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert torch.equal(first.vectors(), other.vectors())


def test_items_and_users_that_come_later_leave_vectors_of_others_as_they_are() -> None:
    source = taught(1)
    before = source.vectors()
    catalogue = items_of(ITEMS + 5)
    source.catalogue = catalogue
    source.learn(watching(*(part[:0] for part in stretch(0)), now=2.0))
    torch.testing.assert_close(source.vectors()[:ITEMS], before, rtol=0, atol=1e-6)
    assert len(source.vectors()) == ITEMS + 5


def test_requests_are_asked_as_they_were_learnt() -> None:
    towers = TwoTowers(8, (16, 12), seed=3)
    towers.grow(40, 30, 5)
    rng = np.random.default_rng(0)
    user, query = rng.integers(-1, 40, 50), rng.integers(-1, 30, 50)
    past = rng.integers(-1, 30, (50, 6))
    past[:5] = -1
    found = Asking(towers, users=40).vectors(Requests(user, query, past))
    with torch.no_grad():
        expected = towers.requests(*map(torch.from_numpy, (user, query, past)))
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-6, rtol=1e-5)
    late = Asking(towers, users=10).vectors(Requests(user, query, past))
    stranger = Asking(towers, users=40).vectors(Requests(np.where(user < 10, user, -1), query, past))
    assert (late == stranger).all()
