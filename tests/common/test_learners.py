"""The contract suite over every learner x kind x ways x shots x {bare, padded}, and over normalisations."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from sharewise.data.episodes import Shots
from sharewise.meta import LEARNERS, Forecast, Judged, Learner, Predictor
from sharewise.meta.amortised import NeuralProcess
from sharewise.meta.gradient import MAML, Reptile
from sharewise.meta.metric import Matching, ProtoNet
from sharewise.testing import (
    LEARNER_CASE_CHECKS,
    LEARNER_CHECKS,
    LearnerCase,
    check_learner,
    image_cases,
    learner_cases,
)
from sharewise.testing.learners import images_are_read


@pytest.mark.parametrize("case", learner_cases(), ids=str)
def test_case(case: LearnerCase) -> None:
    for check in LEARNER_CASE_CHECKS.values():
        check(case)


@pytest.mark.parametrize("case", image_cases(), ids=str)
def test_images(case: LearnerCase) -> None:
    images_are_read(case)


@pytest.mark.parametrize("check", LEARNER_CHECKS)
@pytest.mark.parametrize("name", LEARNERS)
def test_learner(name: str, check: str) -> None:
    LEARNER_CHECKS[check](name)


class Leak(ProtoNet):
    """Lets query rows see each other."""

    def answer(self, asked: Tensor, learned: Tensor) -> Forecast:
        return super().answer(asked - asked.mean(1, keepdim=True), learned)


class Sums(NeuralProcess):
    """Counts padding."""

    def read(self, known: Tensor, support: Shots) -> Tensor:
        rows: Tensor = self.encoder(torch.cat([known, self.labels_of(support)], -1))
        return rows.mean(1)


class Mixes(NeuralProcess):
    """Lets tasks of a batch touch."""

    def read(self, known: Tensor, support: Shots) -> Tensor:
        found = super().read(known, support)
        return found - found.mean(0)


class Ordered(MAML):
    """Makes more of the first support row."""

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        predict, first = super().adapt(support, steps), support.known[:, :1, None]
        return lambda inputs: Forecast(predict(inputs).outputs + first)


class NoSteps(MAML):
    """Says that it takes steps, and does not."""

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        return self.predictor(self.start(len(support)), support)


class Looks(Matching):
    """Says that it can be traced, and cannot."""

    traceable = True


class AllKinds(ProtoNet):
    """Says that it can learn numbers."""

    kinds: ClassVar[frozenset[str]] = frozenset()


class OtherJudge(Reptile):
    """Judges by something else than what it predicts."""

    def judge(self, episodes: object) -> Judged:
        found = super().judge(episodes)  # type: ignore[arg-type]
        return Judged(found.losses + 1, found.surrogate)


@pytest.mark.parametrize(
    "broken", [Leak, Sums, Mixes, Ordered, NoSteps, Looks, AllKinds, OtherJudge], ids=lambda b: b.__name__
)
def test_the_suite_finds_faults(broken: type[Learner], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LEARNERS, "broken", broken)
    with pytest.raises((AssertionError, RuntimeError)):
        check_learner("broken")
