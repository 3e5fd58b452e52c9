"""Small sources and learners whose right answers are known."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from sharewise.data.episodes import Condition, Episodes, EpisodeSource, LabelledExamples, Shots
from sharewise.meta import Forecast, Learner, Spec
from sharewise.meta.learner import Inputs, Predictor
from sharewise.tasks import InputSpec
from sharewise.tasks.kind import Kind
from sharewise.tasks.kinds import Multiclass, Regression

NOISE = 0.5


@dataclass(frozen=True)
class NoisyLine(EpisodeSource):
    """y = 2 x + 0.5 ε, the same for every task; the last query rows of every second task are none."""

    kind: Kind = field(default_factory=Regression)
    inputs: InputSpec = field(default_factory=lambda: InputSpec(bins=((-1.0, 1.0),)))
    names: tuple[str, ...] = ()

    def check(self, condition: Condition) -> None:
        pass

    def sample(self, condition: Condition, count: int, generator: torch.Generator) -> Episodes:
        _, shots = condition.draw(generator)
        rows = shots + condition.queries
        x = 2 * torch.rand(count, rows, generator=generator) - 1
        y = 2 * x + NOISE * torch.randn(count, rows, generator=generator)
        mask = torch.ones(count, condition.queries, dtype=torch.bool)
        mask[::2, -2:] = False
        y[:, shots:][~mask] = 1e6  # what is no row must not count
        return Episodes(
            Shots({"numeric": x[:, :shots, None]}, y[:, :shots]),
            Shots({"numeric": x[:, shots:, None]}, y[:, shots:], mask),
        )


class Line(Learner):
    """Knows the line, and says that its standard deviation is `factor` times the true one."""

    trained = False

    def __init__(self, spec: Spec, factor: float | None = 1.0, shift: float = 0.0) -> None:
        super().__init__(spec)
        self.factor, self.shift = factor, shift

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        def predict(inputs: Inputs) -> Forecast:
            mean = 2 * inputs["numeric"] + self.shift
            variance = None if self.factor is None else torch.full_like(mean[..., 0], self.factor**2 * 0.25)
            return Forecast(mean, variance)

        return predict


class Sure(Learner):
    """Says class 0 with the same probability whatever it sees."""

    trained = False
    any_ways = True

    def __init__(self, spec: Spec, probability: float) -> None:
        super().__init__(spec)
        self.probability = probability

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        def predict(inputs: Inputs) -> Forecast:
            first = next(iter(inputs.values()))
            rest = (1 - self.probability) / (self.spec.ways - 1)
            row = torch.full((self.spec.ways,), rest)
            row[0] = self.probability
            return Forecast(row.log().expand(*first.shape[:2], -1))

        return predict


def digits(classes: int = 8, each: int = 12, name: str = "class") -> LabelledExamples:
    """Return small images: a bright spot whose place is the class, and noise."""
    chance = torch.Generator().manual_seed(0)
    labels = torch.arange(classes).repeat_interleave(each)
    pixels = 0.3 * torch.rand(len(labels), 1, 4, 4, generator=chance)
    pixels.view(len(labels), -1)[torch.arange(len(labels)), labels] += 1.0
    return LabelledExamples(
        InputSpec(image=(1, 4, 4)), {"image": pixels}, labels, [f"{name}{i}" for i in range(classes)]
    )


LINE_SPEC = Spec(NoisyLine().inputs, Regression())
DIGIT_SPEC = Spec(InputSpec(image=(1, 4, 4)), Multiclass(), 4, 8)
