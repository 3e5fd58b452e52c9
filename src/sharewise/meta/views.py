"""Views: a learner asked about several views of the same images; its answers are averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from sharewise.data.episodes import Episodes, Shots
from sharewise.errors import ConfigError
from sharewise.meta.learner import Forecast, Inputs, Learner, Predictor


class Views(Learner):
    """Answers of a learner to images turned and mirrored, support and query alike, averaged.

    A learner that was trained on turned and mirrored classes (`sharewise.data.episodes.Distortion`) has as
    many opinions on a task as there are views. Outputs are averaged before the link: for a prototypical
    network that is the distance in the features of all views side by side. Nothing is looked at but the
    support set and the one query row.

    Args:
        learner: of images; trained before, for this one is for answers alone.
        symmetries: 4 for quarter turns, 8 for mirror images too.

    Raises:
        ConfigError: if the learner reads no square images.
    """

    trained = False

    def __init__(self, learner: Learner, symmetries: int = 8) -> None:
        image = learner.spec.inputs.image
        if not image or image[1] != image[2]:
            raise ConfigError("Only square images can be turned.", "Ask the learner itself.")
        if symmetries not in (1, 4, 8):
            raise ConfigError(f"There are {symmetries} views.", "Use 1, 4 or 8.")
        # What it can be asked is what that learner can be asked.
        for flag in ("any_ways", "stepwise", "from_nothing"):
            setattr(self, flag, getattr(learner, flag))
        super().__init__(learner.spec)
        self.learner, self.symmetries = learner, symmetries

    @property
    def transductive(self) -> bool:
        return self.learner.transductive

    def check(self, episodes: Episodes) -> None:
        self.learner.check(episodes)

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        predictors = [
            self.learner.adapt(replace(support, inputs=_turned(support.inputs, number)), steps)
            for number in range(self.symmetries)
        ]

        def predict(inputs: Inputs) -> Forecast:
            found = [predictor(_turned(inputs, n)) for n, predictor in enumerate(predictors)]
            outputs = torch.stack([one.outputs for one in found])
            known = [one.variance for one in found if one.variance is not None]
            if not known:
                return Forecast(outputs.mean(0))
            # Of the mixture: opinions that differ are less sure.
            between = outputs[..., 0].var(0, correction=0)
            return Forecast(outputs.mean(0), torch.stack(known).mean(0) + between)

        return predict


def _turned(inputs: Inputs, number: int) -> Mapping[str, Tensor]:
    images = inputs["image"] if number < 4 else inputs["image"].flip(-1)
    return {**inputs, "image": torch.rot90(images, number % 4, (-2, -1))}
