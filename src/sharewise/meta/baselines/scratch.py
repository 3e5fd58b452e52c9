"""From scratch: a network for every task, trained on its support set alone."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from sharewise.data.episodes import Shots
from sharewise.meta.gradient.descent import GradientLearner
from sharewise.meta.learner import Spec
from sharewise.meta.nets import Weights
from sharewise.meta.nets.net import refuse_padding

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Scratch(GradientLearner):
    """Random weights, then `steps` of Adam on the support set, all tasks side by side; nothing is shared."""

    trained = False
    from_nothing = False  # random weights are no prediction
    unrolls: ClassVar[bool] = False

    def __init__(self, spec: Spec, *, steps: int = 100, rate: float = 0.01, **options: Any) -> None:
        super().__init__(spec, steps=steps, rate=rate, second_order=False, **options)

    def trajectory(self, support: Shots, steps: int, second_order: bool) -> list[Weights]:
        return adam(self, self.start(len(support)), support, steps, self.rate)


def adam(learner: GradientLearner, start: Weights, support: Shots, steps: int, rate: float) -> list[Weights]:
    """Return [weights at the start, weights after the steps]: Adam's on every task's own support loss."""
    refuse_padding(learner.net, support)
    fast = {name: value.detach() for name, value in start.items()}
    mean = {name: torch.zeros_like(value) for name, value in fast.items()}
    square = {name: torch.zeros_like(value) for name, value in fast.items()}
    x = learner.reader(support.inputs).detach()
    for number in range(1, steps + 1):
        found = learner.gradient(fast, x, support, second_order=False)
        for name, gradient in found.items():
            mean[name] = torch.lerp(mean[name], gradient, 1 - BETA1)
            square[name] = torch.lerp(square[name], gradient.square(), 1 - BETA2)
        fast = {name: value - _move(mean[name], square[name], number, rate) for name, value in fast.items()}
    return [start, fast]


def _move(mean: Tensor, square: Tensor, number: int, rate: float) -> Tensor:
    root = (square / (1 - BETA2**number)).sqrt() + EPSILON
    return rate / (1 - BETA1**number) * mean / root
