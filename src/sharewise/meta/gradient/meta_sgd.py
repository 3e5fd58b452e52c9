"""Meta-SGD (Li et al. 2017): MAML that learns the inner step's direction and size as well."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from sharewise.meta.gradient.descent import GradientLearner
from sharewise.meta.learner import Spec
from sharewise.meta.nets import Weights


class MetaSGD(GradientLearner):
    """φ = θ - α ∘ ∇L(θ) with a learned α for every weight (equation 2); all start at `rate`."""

    undecayed = ("rates",)

    def __init__(self, spec: Spec, **options: Any) -> None:
        super().__init__(spec, **options)
        self.rates = nn.ParameterDict(
            {
                _key(name): nn.Parameter(torch.full_like(value, self.rate))
                for name, value in self.net.weights().items()
            }
        )

    def step(self, fast: Weights, gradient: Weights, number: int) -> Weights:
        return {name: value - self.rates[_key(name)] * gradient[name] for name, value in fast.items()}


def _key(name: str) -> str:
    return name.replace(".", "/")
