"""Conditional neural process (Garnelo et al. 2018)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sharewise.data.episodes import Shots
from sharewise.meta.amortised.amortised import Amortised
from sharewise.meta.learner import Forecast, Spec
from sharewise.meta.nets import MLP
from sharewise.nn.initial import Initial


class NeuralProcess(Amortised[Tensor]):
    """r = mean of h(xᵢ, yᵢ) over the support set; predictions g(x, r) (equations 1 to 3).

    Args:
        options: of `Amortised`; `width` is that of the representation r and of the hidden layers.
    """

    def __init__(self, spec: Spec, *, seed: int = 0, **options: Any) -> None:
        super().__init__(spec, seed=seed, **options)
        initial, width = Initial(seed, ("process",)), self.width
        self.encoder = MLP(self.size + self.label_size, (width, width, width), initial.at("encoder"))
        self.decoder = MLP(self.size + width, (width, width, width, self.outputs), initial.at("decoder"))

    def read(self, known: Tensor, support: Shots) -> Tensor:
        """Return r ``[tasks, width]``, the mean over the support set."""
        rows: Tensor = self.encoder(torch.cat([known, self.labels_of(support)], -1))
        return (rows * support.weights.unsqueeze(-1)).sum(1)

    def answer(self, asked: Tensor, learned: Tensor) -> Forecast:
        beside = learned.unsqueeze(1).expand(-1, asked.shape[1], -1)
        return self.forecast(self.decoder(torch.cat([asked, beside], -1)))
