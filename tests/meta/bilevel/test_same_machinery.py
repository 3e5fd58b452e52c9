"""MAML and iMAML are bi-level problems: the learners' meta-gradients are hyper-gradients of their start."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import pytest
import torch
from torch import Tensor

from sharewise.data.episodes import Condition, Episodes, Shots, Sinusoids
from sharewise.meta import NetOptions, Spec, make_learner
from sharewise.meta.bilevel import (
    Bilevel,
    ConjugateGradient,
    Descent,
    Implicit,
    Method,
    Unrolled,
    Values,
    Weights,
    hyper_gradient,
)
from sharewise.meta.gradient import GradientLearner

STRENGTH = 5.0


def one_task() -> tuple[Sinusoids, Episodes]:
    source = Sinusoids()
    return source, next(iter(source.batches(Condition(shots=10, queries=15), 1, 0, "train")))


def problem_of(learner: GradientLearner, strength: float) -> Bilevel[Shots]:
    """The learner's task as a problem whose θ is where the weights start."""

    def loss(phi: Weights, shots: Shots) -> Tensor:
        outputs = learner.run({n: v.unsqueeze(0) for n, v in phi.items()}, learner.reader(shots.inputs))
        return (learner.spec.kind.loss(outputs, shots.targets) * shots.weights).sum()

    def inner(phi: Weights, theta: Values, shots: Shots) -> Tensor:
        near = torch.stack([(value - theta[name]).square().sum() for name, value in phi.items()]).sum()
        return loss(phi, shots) + 0.5 * strength * near

    return Bilevel(
        inner,
        lambda phi, theta, shots: loss(phi, shots),
        lambda theta: {n: v * 1.0 for n, v in theta.items()},
    )


CASES: dict[str, tuple[dict[str, Any], float, Method]] = {
    "maml": ({"steps": 4, "rate": 0.02}, 0.0, Unrolled(Descent(0.02), 4)),
    "imaml": (
        {"steps": 40, "rate": 0.01, "regularisation": STRENGTH, "cg_steps": 6},
        STRENGTH,
        Implicit(Descent(0.01), 40, ConjugateGradient(6)),
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_the_meta_gradient_is_a_hyper_gradient(name: str) -> None:
    options, strength, method = CASES[name]
    source, episodes = one_task()
    learner = make_learner(name, Spec(source.inputs, source.kind), net=NetOptions(hidden=(16,)), **options)
    assert isinstance(learner, GradientLearner)
    theta = {key: value.detach() for key, value in learner.net.weights().items()}
    problem = problem_of(learner, strength)
    found = hyper_gradient(problem, None, theta, method, inner=repeat(episodes.support), outer=episodes.query)
    learner.judge(episodes).surrogate.mean().backward()
    own = {key: weight.grad for key, weight in learner.net.weights().items()}
    for key, expected in own.items():
        assert expected is not None
        apart = (found.gradient[key] - expected).norm()
        assert float(apart) < 1e-3 * float(expected.norm()), key
