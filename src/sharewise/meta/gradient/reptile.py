"""Reptile (Nichol, Achiam & Schulman 2018, "On First-Order Meta-Learning Algorithms")."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from sharewise.data.episodes import Episodes, Shots
from sharewise.errors import ConfigError
from sharewise.meta.gradient.descent import GradientLearner
from sharewise.meta.learner import Judged, Spec


class Reptile(GradientLearner):
    """θ moves towards where training on each task leads: θ ← θ + ε (φᵢ - θ) (Algorithm 2, in batches).

    In training the inner steps go over all rows of an episode, support and query alike, in mini-batches of
    `inner_batch` rows, for the algorithm has no query set; afterwards over the support set. The outer
    optimizer takes θ - φ for a gradient; plain SGD is the paper's, any other is offered in its section 3.

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
        rows = _together(episodes.support, episodes.query)
        start = self.start(len(episodes))
        fast = {name: value.detach() for name, value in start.items()}
        for number in range(self.steps):
            part = _part(rows, number, self.inner_batch)
            x = self.reader(part.inputs).detach()
            fast = self.step(fast, self.gradient(fast, x, part, second_order=False), number)
        moved = [0.5 * (value - fast[name]).square().flatten(1).sum(1) for name, value in start.items()]
        # What reads categories is not adapted: it gets the plain gradient of the adapted network's loss.
        losses = self.losses(self.predictor(fast, episodes.support)(episodes.query.inputs), episodes.query)
        reader = losses if any(p.requires_grad for p in self.reader.parameters()) else losses.detach()
        return Judged(losses.detach(), torch.stack(moved).sum(0) + reader)


def _together(support: Shots, query: Shots) -> Shots:
    mask = None
    if support.mask is not None or query.mask is not None:
        masks = [
            torch.ones_like(s.targets, dtype=torch.bool) if s.mask is None else s.mask
            for s in (support, query)
        ]
        mask = torch.cat(masks, 1)
    return Shots(
        {key: torch.cat([value, query.inputs[key]], 1) for key, value in support.inputs.items()},
        torch.cat([support.targets, query.targets], 1),
        mask,
    )


def _part(rows: Shots, number: int, size: int) -> Shots:
    """Return the mini-batch with this number, going round and round."""
    count = rows.rows
    places = torch.arange(number * size, number * size + min(size, count)) % count
    return Shots(
        {key: value[:, places] for key, value in rows.inputs.items()},
        rows.targets[:, places],
        None if rows.mask is None else rows.mask[:, places],
    )
