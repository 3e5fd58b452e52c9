"""Methods from losses against torchjd, closed forms and optimality conditions."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torchjd import scalarization

from sharewise.balance import Signals, make_weighting
from sharewise.tasks import Task, TaskSet

TASKS = TaskSet([Task("a"), Task("b"), Task("c")])
LOSSES = torch.tensor([0.2, 1.0, 5.0])


def gradient(scalar: object, losses: Tensor = LOSSES) -> Tensor:
    """Return the weights that a scalarisation of torchjd gives to the losses."""
    leaf = losses.clone().requires_grad_()
    scalar(leaf).backward()  # type: ignore[operator]
    assert leaf.grad is not None
    return leaf.grad


def test_geometric_mean() -> None:
    found = make_weighting("geometric_mean", TASKS)(Signals(LOSSES))
    torch.testing.assert_close(found, gradient(scalarization.GeometricMean()))


@pytest.mark.parametrize("mu", [0.1, 1.0])
def test_stch(mu: float) -> None:
    options = {"preferences": [0.2, 0.5, 0.3], "reference": [0.1, 0.0, -1.0]}
    found = make_weighting("stch", TASKS, mu=mu, **options)(Signals(LOSSES))
    oracle = scalarization.STCH(mu, torch.tensor(options["preferences"]), torch.tensor(options["reference"]))
    torch.testing.assert_close(found, gradient(oracle))


def test_log() -> None:
    found = make_weighting("log", TASKS)(Signals(LOSSES))
    torch.testing.assert_close(found, gradient(lambda losses: (losses + 1e-8).log().sum()))


def test_uncertainty_learns_the_variance() -> None:
    weighting = make_weighting("uncertainty", TASKS, rate=0.05)
    assert torch.equal(weighting(Signals(LOSSES)), torch.ones(3))
    for _ in range(2000):
        weights = weighting(Signals(LOSSES))
    torch.testing.assert_close(weights, 1 / (2 * LOSSES), rtol=1e-3, atol=0)  # exp(s) = 2 L


def test_uncertainty_takes_the_step_of_adam() -> None:
    """torchjd's s in ½ exp(-s) L' + ½ s is ours for L' = 2 L."""
    oracle = scalarization.UW(3)
    optimizer = torch.optim.Adam(oracle.parameters(), lr=0.01)
    weighting = make_weighting("uncertainty", TASKS, rate=0.01)
    for step in range(20):
        losses = LOSSES * (1 + 0.1 * step)
        torch.testing.assert_close(
            weighting(Signals(losses)), torch.exp(-oracle.log_var.detach()), rtol=1e-5, atol=0
        )
        optimizer.zero_grad()
        oracle(2 * losses).backward()
        optimizer.step()


def test_imtl_l() -> None:
    oracle = scalarization.IMTLL(3)
    optimizer = torch.optim.Adam(oracle.parameters(), lr=0.02)
    weighting = make_weighting("imtl_l", TASKS, rate=0.02)
    for _ in range(600):
        weights = weighting(Signals(LOSSES))
        torch.testing.assert_close(weights, torch.exp(oracle.log_scale.detach()), rtol=1e-4, atol=0)
        optimizer.zero_grad()
        oracle(LOSSES).backward()
        optimizer.step()
    assert float((weights * LOSSES - 1).abs().max()) < 0.2  # on the way to weighted losses of 1


def test_dwa() -> None:
    oracle, weighting = scalarization.DWA(temperature=1.5), make_weighting("dwa", TASKS, temperature=1.5)
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        for _ in range(3):
            losses = torch.rand(3, generator=generator) + 0.1
            found = weighting(Signals(losses))
            torch.testing.assert_close(found, gradient(oracle, losses))
        oracle.step()
        weighting.end_epoch()
    assert float(found.std()) > 0


def test_famo() -> None:
    oracle, weighting = scalarization.FAMO(3), make_weighting("famo", TASKS)
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        before = torch.rand(3, generator=generator) + 0.1
        after = before * (0.5 + torch.rand(3, generator=generator))
        torch.testing.assert_close(weighting(Signals(before)), gradient(oracle, before), rtol=1e-4, atol=1e-6)
        oracle.update(after)
        weighting.look_back(after)
    assert float(weighting.state_dict()["logits"].std()) > 0


def test_famo_free_hears_of_the_next_batch() -> None:
    free, paper = make_weighting("famo_free", TASKS), make_weighting("famo", TASKS)
    generator = torch.Generator().manual_seed(0)
    losses = torch.rand(10, 3, generator=generator) + 0.1
    for now, then in pairwise(losses):
        torch.testing.assert_close(free(Signals(now)), paper(Signals(now)))
        paper.look_back(then)


def test_random_weights_are_softmax_of_normals() -> None:
    weighting = make_weighting("random", TASKS)
    drawn = torch.stack([weighting(Signals(LOSSES)) for _ in range(4000)])
    torch.testing.assert_close(drawn.sum(1), torch.ones(4000))
    logits = drawn.log() - drawn.log().mean(1, keepdim=True)
    assert float(logits.mean().abs()) < 1e-5
    assert float(logits.var()) == pytest.approx(2 / 3, rel=0.05)  # of normals minus their mean
