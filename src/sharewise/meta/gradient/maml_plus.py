"""MAML++ (Antoniou, Edwards & Storkey 2019, "How to train your MAML")."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sharewise.data.episodes import Episodes, Shots
from sharewise.errors import ConfigError
from sharewise.meta.gradient.descent import GradientLearner
from sharewise.meta.learner import Judged, Spec
from sharewise.meta.nets import Weights


class MAMLPlus(GradientLearner):
    """MAML with per-layer per-step learning rates (LSLR) and the multi-step loss (MSL) (section 4).

    MSL: the query loss after every step counts, at first evenly; the weights of all but the last fall
    linearly to 0.03 / steps over the first `anneal` of training and the last takes what they lose. The
    published code, as we remember it, then uses the last step alone; here the others keep that little. Not
    here: derivative-order annealing (`second_order` is for all of training), and batch normalisation
    statistics of each step: statistics are of the task's own rows.

    Args:
        anneal: share of training after which the last step counts almost alone.
        options: of `GradientLearner`; `steps` at least 1.
    """

    progress: Tensor
    undecayed = ("rates",)

    def __init__(self, spec: Spec, *, steps: int = 5, anneal: float = 0.15, **options: Any) -> None:
        super().__init__(spec, steps=steps, **options)
        if steps < 1 or not 0 < anneal <= 1:
            raise ConfigError(
                f"MAML++ has steps = {steps} and anneal = {anneal}.",
                "Use at least one step, and a share above 0 up to 1.",
            )
        self.anneal = anneal
        names = self.net.weights()
        self.layers = {name: i for i, name in enumerate(names)}
        self.rates = nn.Parameter(torch.full((len(names), steps), self.rate))
        self.register_buffer("progress", torch.zeros(()), persistent=False)

    def step(self, fast: Weights, gradient: Weights, number: int) -> Weights:
        at = min(number, self.steps - 1)  # later steps than trained for go on at the last one's rates
        return {
            name: value - self.rates[self.layers[name], at] * gradient[name] for name, value in fast.items()
        }

    def set_progress(self, share: float) -> None:
        self.progress.fill_(share)

    def importance(self) -> Tensor:
        """Return the weights of the losses after 1, 2, ... steps; they sum to 1."""
        falling = 1 / self.steps * (1 - (self.progress / self.anneal).clamp(max=1.0))
        early = falling.clamp(min=0.03 / self.steps).expand(self.steps - 1)
        return torch.cat([early, (1 - early.sum()).reshape(1)])

    def judge(self, episodes: Episodes) -> Judged:
        support, query = episodes.support, episodes.query
        unrolled = self.second_order and torch.is_grad_enabled()
        path = self.trajectory(support, self.steps, unrolled)[1:]
        each = torch.stack([self._after(fast, support, query) for fast in path])
        return Judged(each[-1], (self.importance().unsqueeze(1) * each).sum(0))

    def _after(self, fast: Weights, support: Shots, query: Shots) -> Tensor:
        return self.losses(self.predictor(fast, support)(query.inputs), query)
