"""Prototypical networks (Snell, Swersky & Zemel 2017)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.data.episodes import Episodes, Shots
from sharewise.meta.features import FeatureLearner
from sharewise.meta.learner import Forecast, Judged, Spec
from sharewise.meta.metric.exchange import by_class, group_means, outside
from sharewise.meta.metric.prototypes import (
    as_outputs,
    count_ways,
    prototypes,
    refuse_unseen,
    squared_distances,
)
from sharewise.meta.nets import NetOptions
from sharewise.meta.nets.net import Net


class ProtoNet(FeatureLearner[Tensor]):
    """p(y = k | x) ∝ exp(-|f(x) - c_k|²), with c_k the mean of class k's support features (eq. 1, 2).

    Args:
        spec, seed, net: as of every learner on features.
        exchange: in training, support and query rows change places: each class's rows are cut into groups of
            as many rows as the support has, every group's means are prototypes in turn, and all other rows
            are asked. The expected loss is the same, for any of these is an episode as good as the one drawn;
            its gradient is less noisy, at no further forward pass. An addition to the paper, in the spirit of
            Laenen & Bertinetto (2021), who compare all pairs of a batch.
        scaled: distances are multiplied by a number that is learned, from 1 / √size on (as in Oreshkin,
            Rodríguez & Lacoste 2018): sums over many features are so far apart at first that the softmax is
            all but hard. The paper has none.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"multiclass", "binary"})
    any_ways = True

    def __init__(
        self,
        spec: Spec,
        *,
        seed: int = 0,
        net: NetOptions | Net = NetOptions(),
        exchange: bool = False,
        scaled: bool = False,
    ) -> None:
        super().__init__(spec, seed=seed, net=net)
        self.exchange = exchange
        #: Logarithm of what distances are multiplied by.
        self.sharpness = torch.nn.Parameter(torch.tensor(self.size).log() / -2) if scaled else None

    def read(self, known: Tensor, support: Shots) -> Tensor:
        """Return the prototypes ``[tasks, ways, size]``."""
        return prototypes(known, support, count_ways(support))

    def answer(self, asked: Tensor, learned: Tensor) -> Forecast:
        return Forecast(as_outputs(-self._distances(asked, learned), self.spec.kind.categorical))

    def losses(self, forecast: Forecast, query: Shots) -> Tensor:
        refuse_unseen(self.spec, forecast, query)
        return super().losses(forecast, query)

    def _distances(self, x: Tensor, y: Tensor) -> Tensor:
        found = squared_distances(x, y)
        return found if self.sharpness is None else found * self.sharpness.exp()

    def judge(self, episodes: Episodes) -> Judged:
        if not self.exchange or not torch.is_grad_enabled():
            return super().judge(episodes)
        rows = by_class(*self.both(episodes.support, episodes.query.inputs), episodes)
        tasks, ways, each, _ = rows.shape
        centres = group_means(rows, episodes.support.rows // ways)
        groups = centres.shape[1]
        distances = self._distances(rows.flatten(1, 2), centres.flatten(1, 2))
        apart = torch.unflatten(distances, 2, (groups, ways)).transpose(1, 2)
        outputs = as_outputs(-apart, self.spec.kind.categorical).flatten(1, 2)
        labels = torch.arange(ways, device=rows.device).repeat_interleave(each).repeat(groups)
        losses = self.row_losses(Forecast(outputs), labels.to(rows.dtype).expand(tasks, -1))
        asked = outside(each, episodes.support.rows // ways).to(rows.device)
        kept = asked.unsqueeze(1).expand(-1, ways, -1).flatten()
        mean = losses[:, kept].mean(1)
        return Judged(mean, mean)
