"""Sine waves, without end: training, validation and test draw from the same distribution of tasks."""

from __future__ import annotations

from sharewise.data.episodes.condition import Condition
from sharewise.data.episodes.episode_set import EpisodeSet
from sharewise.data.episodes.functions import Sinusoids


def load(noise: float = 0.0) -> EpisodeSet:
    """Sine waves of unknown height and phase: the regression problem of the MAML paper (Finn et al. 2017).

    Args:
        noise: standard deviation added to the targets; 0 in the paper.
    """
    waves = Sinusoids(noise)
    return EpisodeSet(
        name="sinusoid",
        train=waves,
        valid=waves,
        test=waves,
        condition=Condition(shots=10, queries=10),
        description="A task is a sine wave with height from 0.1 to 5 and phase from 0 to π; inputs are "
        "from -5 to 5. There is no end of tasks, so the splits differ by chance alone.",
        source="https://arxiv.org/abs/1703.03400",
        licence="generated",
    )
