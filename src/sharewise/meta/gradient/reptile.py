"""Reptile (Nichol, Achiam & Schulman 2018, "On First-Order Meta-Learning Algorithms")."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from sharewise.data.episodes import Episodes, Shots
from sharewise.errors import ConfigError
from sharewise.meta.gradient.descent import GradientLearner
from sharewise.meta.learner import Judged, Spec
from sharewise.meta.nets.net import refuse_padding


class Reptile(GradientLearner):
    """θ moves towards where training on each task leads: θ ← θ + ε (φᵢ - θ) (Algorithm 2, in batches).

    In training the inner steps go over all rows of an episode, support and query alike, in mini-batches of at
    most `inner_batch` rows, for the algorithm has no query set; afterwards each goes down the whole support
    set's loss. The outer optimizer takes θ - φ for a gradient; plain SGD is the paper's, any other is offered
    in its section 3. Deviations: inner steps are of plain gradient descent, where the paper's experiments
    have Adam without momentum, and mini-batches are a fixed partition, not drawn anew.

    Args:
        inner_batch: rows of an inner step in training.
        options: of `GradientLearner`.
    """

    traceable = False
    unrolls: ClassVar[bool] = False

    def __init__(
        self, spec: Spec, *, steps: int = 5, rate: float = 0.02, inner_batch: int = 10, **options: Any
    ) -> None:
        if inner_batch < 1 or steps < 1:
            raise ConfigError(
                f"Reptile has steps = {steps} and inner_batch = {inner_batch}.", "Use at least 1 of each."
            )
        super().__init__(spec, steps=steps, rate=rate, second_order=False, **options)
        self.inner_batch = inner_batch

    def judge(self, episodes: Episodes) -> Judged:
        if not torch.is_grad_enabled():
            return super().judge(episodes)
        rows = episodes.support.beside(episodes.query)
        refuse_padding(self.net, rows)
        start = self.start(len(episodes))
        fast = {name: value.detach() for name, value in start.items()}
        for number in range(self.steps):
            part = minibatch(rows, number, self.inner_batch)
            x = self.reader(part.inputs).detach()
            fast = self.step(fast, self.gradient(fast, x, part, second_order=False), number)
        moved = [0.5 * (value - fast[name]).square().flatten(1).sum(1) for name, value in start.items()]
        # What reads categories is not adapted: it gets the plain gradient of the adapted network's loss.
        losses = self.losses(self.predictor(fast, episodes.support)(episodes.query.inputs), episodes.query)
        reader = losses if any(p.requires_grad for p in self.reader.parameters()) else losses.detach()
        return Judged(losses.detach(), torch.stack(moved).sum(0) + reader)


def minibatch(rows: Shots, number: int, size: int) -> Shots:
    """Return an inner step's rows: every m-th of a task's, m = ⌈rows / size⌉, from `number` mod m on.

    So m mini-batches are all rows, and of rows in the order of their classes, as episodes are drawn, each has
    something of every class.
    """
    if rows.mask is None:
        stride = -(-rows.rows // size)
        part = slice(number % stride, None, stride)
        return Shots({key: value[:, part] for key, value in rows.inputs.items()}, rows.targets[:, part])
    counts = rows.mask.sum(1, keepdim=True)
    strides = (-(-counts // size)).clamp(min=1)
    steps = torch.arange(min(size, rows.rows), device=counts.device)
    places = number % strides + steps * strides
    mask = places < counts
    present = rows.mask.to(torch.int8).argsort(dim=1, descending=True, stable=True)
    places = present.gather(1, places.clamp(max=rows.rows - 1))
    task = torch.arange(len(rows), device=counts.device).unsqueeze(1)
    return Shots(
        {key: value[task, places] for key, value in rows.inputs.items()}, rows.targets[task, places], mask
    )
