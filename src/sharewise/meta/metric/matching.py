"""Matching networks (Vinyals et al. 2016)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from sharewise.data.episodes import Shots
from sharewise.meta.features import FeatureLearner
from sharewise.meta.learner import Forecast, Spec
from sharewise.meta.metric.prototypes import count_ways
from sharewise.meta.nets import NetOptions
from sharewise.meta.nets.net import Net

#: Added to the probability of a class, so that a loss is finite.
FLOOR = 1e-6


class Matching(FeatureLearner[tuple[Tensor, Shots]]):
    """ŷ = Σᵢ a(x, xᵢ) yᵢ, with a the softmax over the support set of features' cosines (equation 1, section
    2.1.1).

    Without the paper's full context embeddings. Numbers are averaged as classes are: for regression this is
    the Nadaraya-Watson estimator in learned features. Plain cosines lie in [-1, 1], so their softmax is flat;
    `sharpness` multiplies them and is learned, from 10 on (an addition to the paper).
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"multiclass", "binary", "regression"})
    any_ways = True

    def __init__(self, spec: Spec, *, seed: int = 0, net: NetOptions | Net = NetOptions()) -> None:
        super().__init__(spec, seed=seed, net=net)
        self.sharpness = torch.nn.Parameter(torch.tensor(10.0).log())

    def read(self, known: Tensor, support: Shots) -> tuple[Tensor, Shots]:
        """Return the support set as it is: nothing is summed up."""
        return known, support

    def answer(self, asked: Tensor, learned: tuple[Tensor, Shots]) -> Forecast:
        known, support = learned
        cosines = F.normalize(asked, dim=-1) @ F.normalize(known, dim=-1).transpose(1, 2)
        scores = cosines * self.sharpness.exp()
        if support.mask is not None:
            scores = scores.masked_fill(~support.mask.unsqueeze(1), float("-inf"))
        attention = scores.softmax(-1)
        if self.spec.kind.name == "regression":
            return Forecast(attention @ support.known.unsqueeze(-1))
        ways = count_ways(support)
        if not self.spec.classes:  # the label's own classes, of which a support set need not have all
            ways = max(ways, self.spec.ways)
        labels = F.one_hot(support.known.long(), ways).to(attention.dtype)
        shares = attention @ labels + FLOOR
        if self.spec.kind.categorical:
            return Forecast(shares.log())
        return Forecast(shares[..., 1:].log() - shares[..., :1].log())
