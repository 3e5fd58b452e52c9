"""Sinusoids: the regression problem of the MAML paper (Finn et al. 2017, section 5.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from sharewise.data.episodes.condition import Condition
from sharewise.data.episodes.shots import Episodes, Shots
from sharewise.data.episodes.source import EpisodeSource
from sharewise.errors import ConfigError
from sharewise.tasks import InputSpec
from sharewise.tasks.kind import Kind
from sharewise.tasks.kinds import Regression


@dataclass(frozen=True)
class Sinusoids(EpisodeSource):
    """y = A sin(x - b) + noise, with A from U(0.1, 5), b from U(0, π) and x from U(-5, 5); a task is (A, b).

    Targets are not standardised, so that errors are those of the papers.

    Args:
        noise: standard deviation added to the targets; 0 in the paper.
    """

    noise: float = 0.0
    kind: Kind = field(default_factory=Regression)
    inputs: InputSpec = field(default_factory=lambda: InputSpec(bins=((-5.0, 5.0),)))
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.noise < float("inf"):
            raise ConfigError(f"The noise of the sinusoids is {self.noise}.", "Use a number from 0 on.")

    def check(self, condition: Condition) -> None:
        _no_ways(condition)

    def sample(self, condition: Condition, count: int, generator: torch.Generator) -> Episodes:
        self.check(condition)
        _, shots = condition.draw(generator)
        rows = shots + condition.queries
        parameters = torch.rand(2, count, 1, generator=generator)
        amplitude, phase = 0.1 + 4.9 * parameters[0], math.pi * parameters[1]
        x = 10 * torch.rand(count, rows, generator=generator) - 5
        y = amplitude * torch.sin(x - phase)
        if self.noise:
            y = y + self.noise * torch.randn(count, rows, generator=generator)
        return Episodes(_shots(x[:, :shots], y[:, :shots]), _shots(x[:, shots:], y[:, shots:]))

    def digest(self) -> str:
        return f"sinusoids {self.noise}"


def _shots(x: torch.Tensor, y: torch.Tensor) -> Shots:
    return Shots({"numeric": x.unsqueeze(-1)}, y)


def _no_ways(condition: Condition) -> None:
    if condition.ways is not None:
        raise ConfigError(
            f"Episodes ask for {condition.ways} ways, but these tasks have no classes to draw.",
            "Leave 'ways' out.",
        )
