"""Prototypical networks (Snell, Swersky & Zemel 2017)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from sharewise.data.episodes import Shots
from sharewise.meta.features import FeatureLearner
from sharewise.meta.learner import Forecast
from sharewise.meta.metric.prototypes import as_outputs, count_ways, prototypes, squared_distances


class ProtoNet(FeatureLearner[Tensor]):
    """p(y = k | x) ∝ exp(-|f(x) - c_k|²), with c_k the mean of class k's support features (eq. 1, 2)."""

    kinds: ClassVar[frozenset[str]] = frozenset({"multiclass", "binary"})
    any_ways = True

    def read(self, known: Tensor, support: Shots) -> Tensor:
        """Return the prototypes ``[tasks, ways, size]``."""
        return prototypes(known, support, count_ways(support))

    def answer(self, asked: Tensor, learned: Tensor) -> Forecast:
        return Forecast(as_outputs(-squared_distances(asked, learned), self.spec.kind.categorical))
