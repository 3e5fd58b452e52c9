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

    Where labels are classes (section 4.3 of the paper), the mean is taken over each class's examples, and r
    is these means in the order of the classes: the place says the label, so h sees x alone. A class without
    an example has 0. Yes and no are numbers here, as in equation 1.

    Args:
        options: of `Amortised`; `width` is that of a mean and of the hidden layers.
    """

    def __init__(self, spec: Spec, *, seed: int = 0, **options: Any) -> None:
        super().__init__(spec, seed=seed, **options)
        initial, width = Initial(seed, ("process",)), self.width
        self.by_class = spec.kind.categorical
        told, means = (0, spec.ways) if self.by_class else (self.label_size, 1)
        self.encoder = MLP(self.size + told, (width, width, width), initial.at("encoder"))
        self.decoder = MLP(
            self.size + means * width, (width, width, width, self.outputs), initial.at("decoder")
        )

    def read(self, known: Tensor, support: Shots) -> Tensor:
        """Return r ``[tasks, width]``, or of all classes ``[tasks, ways * width]``."""
        if not self.by_class:
            rows: Tensor = self.encoder(torch.cat([known, self.labels_of(support)], -1))
            return (rows * support.weights.unsqueeze(-1)).sum(1)
        labels = self.labels_of(support)
        member = labels if support.mask is None else labels * support.mask.unsqueeze(-1)
        share = member / member.sum(1, keepdim=True).clamp(min=1)
        means: Tensor = share.transpose(1, 2) @ self.encoder(known)
        return means.flatten(1)

    def answer(self, asked: Tensor, learned: Tensor) -> Forecast:
        beside = learned.unsqueeze(1).expand(-1, asked.shape[1], -1)
        return self.forecast(self.decoder(torch.cat([asked, beside], -1)))
