"""Prototypical networks (Snell, Swersky & Zemel 2017)."""

from __future__ import annotations

from typing import ClassVar

from sharewise.data.episodes import Episodes, Shots
from sharewise.meta.features import FeatureLearner
from sharewise.meta.learner import Forecast, Inputs, Judged, Predictor
from sharewise.meta.metric.prototypes import as_outputs, count_ways, prototypes, squared_distances


class ProtoNet(FeatureLearner):
    """p(y = k | x) ∝ exp(-|f(x) - c_k|²), with c_k the mean of class k's support features (eq. 1, 2)."""

    kinds: ClassVar[frozenset[str]] = frozenset({"multiclass", "binary"})
    any_ways = True

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        if self.net.by_support:
            return lambda inputs: self._compare(support, *self.both(support, inputs))
        ways = count_ways(support)
        centres = prototypes(self.features(support.inputs), support, ways)

        def predict(inputs: Inputs) -> Forecast:
            distances = squared_distances(self.features(inputs), centres)
            return Forecast(as_outputs(-distances, self.spec.kind.categorical))

        return predict

    def judge(self, episodes: Episodes) -> Judged:
        # Support and query in one forward pass: batch statistics are of both, as in the published code.
        found = self.both(episodes.support, episodes.query.inputs)
        losses = self.losses(self._compare(episodes.support, *found), episodes.query)
        return Judged(losses, losses)

    def _compare(self, support: Shots, known: object, asked: object) -> Forecast:
        centres = prototypes(known, support, count_ways(support))  # type: ignore[arg-type]
        return Forecast(as_outputs(-squared_distances(asked, centres), self.spec.kind.categorical))  # type: ignore[arg-type]
