"""Baselines that take steps have their rate chosen on validation tasks."""

from __future__ import annotations

import pytest

from sharewise.data.episodes import Condition, Sinusoids
from sharewise.errors import DataError
from sharewise.meta import NetOptions, Spec, make_learner
from sharewise.meta.gradient import GradientLearner
from sharewise.study.fewshot import choose_rate
from sharewise.study.fewshot.rates import FACTORS
from sharewise.study.progress import StudyProgress
from sharewise.train.meta_evaluate import evaluate_learner

WAVES, CONDITION = Sinusoids(), Condition(shots=5, queries=10)


def made(name: str, rate: float) -> GradientLearner:
    spec = Spec(WAVES.inputs, WAVES.kind)
    learner = make_learner(name, spec, net=NetOptions(hidden=(8,)), steps=10, rate=rate)
    assert isinstance(learner, GradientLearner)
    return learner


@pytest.mark.parametrize("rate", [0.001, 0.3, 3.0])
@pytest.mark.parametrize("name", ["scratch", "fine_tuned"])
def test_the_rate_is_the_best_on_the_episodes_asked_for(name: str, rate: float) -> None:
    scores = {}
    for factor in FACTORS:
        own = made(name, rate * factor)
        found = evaluate_learner(own, WAVES, CONDITION, episodes=40, seed=2, name="valid")
        scores[rate * factor] = -found.loss.mean()
    learner = made(name, rate)
    assert choose_rate(learner, WAVES, CONDITION, episodes=40, seed=2) == learner.rate
    assert scores[learner.rate] == max(scores.values())


class Heard(StudyProgress):
    def __init__(self) -> None:
        self.told: list[object] = []

    def stage(self, name: str, trials: int) -> None:
        self.told.append((name, trials))

    def done(self, trial: str) -> None:
        self.told.append(trial)

    def close(self) -> None:
        self.told.append("closed")


def test_every_rate_that_is_tried_is_told() -> None:
    heard = Heard()
    choose_rate(made("scratch", 0.5), WAVES, CONDITION, episodes=4, progress=heard)
    assert heard.told == [("search", 3), "rate=0.5", "rate=0.05", "rate=0.005", "closed"]


def test_rates_that_end_in_no_number_are_not_chosen() -> None:
    learner = made("maml", 1e30)
    assert choose_rate(learner, WAVES, CONDITION, factors=(1.0, 1e-32), episodes=10) == pytest.approx(0.01)


def test_the_rate_stays_if_there_are_no_such_episodes() -> None:
    learner = made("scratch", 0.05)
    with pytest.raises(DataError):
        choose_rate(learner, WAVES, Condition(shots=0, queries=10))
    assert learner.rate == 0.05
