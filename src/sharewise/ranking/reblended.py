"""A ranker with another score: the same predictions, combined by other weights."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
from torch import Tensor

from sharewise.ranking.blend import blend
from sharewise.ranking.export import Predictor
from sharewise.ranking.options import BlendOptions
from sharewise.ranking.ranker import Array


class Reblended:
    """Predicts as a ranker does, but for the score.

    Args:
        ranker: predicts.
        options: of the score.

    Attributes:
        plan: of the ranker, with the other blend.
        encoding: reads rows.

    Raises:
        ConfigError: if the blend names what the ranker does not predict.
    """

    def __init__(self, ranker: Predictor, options: BlendOptions) -> None:
        self.plan = replace(ranker.plan, blend=options)
        self.encoding = ranker.encoding
        self._ranker = ranker

    def predict_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Array]:
        """Return predictions by objective, ``[rows]``."""
        return self._ranker.predict_inputs(inputs)

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return predictions of all objectives and their ``score``."""
        found = self._ranker.predict(frame).drop("score")
        values = {name: found[name].cast(pl.Float64).to_numpy() for name in found.columns}
        return found.with_columns(score=blend(values, self.plan.blend))
