"""The nearest centroid on raw inputs: no learning at all."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sharewise.data.episodes import Shots
from sharewise.meta.learner import Forecast, Inputs, Learner, Predictor, Spec
from sharewise.meta.metric.prototypes import (
    as_outputs,
    count_ways,
    prototypes,
    refuse_unseen,
    squared_distances,
)


class NearestCentroid(Learner):
    """-|x - c_k|² / d for the d raw inputs, categories one-hot."""

    kinds: ClassVar[frozenset[str]] = frozenset({"multiclass", "binary"})
    any_ways = True
    trained = False

    def __init__(self, spec: Spec, *, seed: int = 0, **options: Any) -> None:
        super().__init__(spec)

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        centres = prototypes(self._raw(support.inputs), support, count_ways(support))

        def predict(inputs: Inputs) -> Forecast:
            x = self._raw(inputs)
            distances = squared_distances(x, centres) / x.shape[-1]
            return Forecast(as_outputs(-distances, self.spec.kind.categorical))

        return predict

    def losses(self, forecast: Forecast, query: Shots) -> Tensor:
        refuse_unseen(self.spec, forecast, query)
        return super().losses(forecast, query)

    def _raw(self, inputs: Inputs) -> Tensor:
        parts = [value.flatten(2) for key, value in inputs.items() if key != "categorical"]
        if "categorical" in inputs:
            ids = inputs["categorical"].unbind(-1)
            sizes = self.spec.inputs.cardinalities
            parts += [nn.functional.one_hot(i, n).float() for i, n in zip(ids, sizes, strict=True)]
        return torch.cat(parts, -1)
