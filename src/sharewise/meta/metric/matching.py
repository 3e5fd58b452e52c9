"""Matching networks (Vinyals et al. 2016)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from sharewise.data.episodes import Shots
from sharewise.meta.features import FeatureLearner
from sharewise.meta.learner import Forecast
from sharewise.meta.metric.prototypes import count_ways

#: Least probability of a class, so that a loss is finite.
FLOOR = 1e-6


class Matching(FeatureLearner[tuple[Tensor, Shots]]):
    """ŷ = Σᵢ a(x, xᵢ) yᵢ, with a the softmax over the support set of features' cosines (equations 1 and 2).

    Without the paper's full context embeddings. Numbers are averaged as classes are: for regression this is
    the Nadaraya-Watson estimator in learned features. Plain cosines lie in [-1, 1], so their softmax is flat;
    `sharpness` multiplies them and is learned, from 10 on (an addition to the paper).
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"multiclass", "binary", "regression"})
    any_ways = True

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.sharpness = torch.nn.Parameter(torch.tensor(10.0).log())

    def read(self, known: Tensor, support: Shots) -> tuple[Tensor, Shots]:
        """Return the support set as it is: nothing is summed up."""
        return known, support

    def answer(self, asked: Tensor, learned: tuple[Tensor, Shots]) -> Forecast:
        known, support = learned
        cosines = F.normalize(asked, dim=-1) @ F.normalize(known, dim=-1).transpose(1, 2)
        if support.mask is not None:
            cosines = cosines.masked_fill(~support.mask.unsqueeze(1), float("-inf"))
        attention = (cosines * self.sharpness.exp()).softmax(-1)
        if self.spec.kind.name == "regression":
            return Forecast(attention @ support.targets.unsqueeze(-1))
        labels = F.one_hot(support.targets.long(), count_ways(support)).to(attention.dtype)
        shares = (attention @ labels).clamp(FLOOR, 1.0)
        if self.spec.kind.categorical:
            return Forecast(shares.log())
        return Forecast(shares[..., 1:].log() - shares[..., :1].log())
