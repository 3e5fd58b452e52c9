"""Where labels have nothing to do with inputs, training and testing on real sources give chance; and a source
that shows query rows to the learner is found out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch

from sharewise.data.episodes import Condition, Episodes, EpisodeSource, LabelledExamples, TaskRows
from sharewise.meta import LEARNERS, NetOptions, Spec, make_learner
from sharewise.streams import stream
from sharewise.tasks import InputSpec
from sharewise.tasks.kind import Kind
from sharewise.tasks.kinds import Binary, Regression
from sharewise.train import MetaOptions, fit_learner
from sharewise.train.meta_evaluate import EpisodeScores, evaluate_learner

COLUMNS = InputSpec(bins=((-1.0, 1.0),) * 4)
OPTIONS = MetaOptions(iterations=30, tasks_per_batch=8, learning_rate=1e-2, eval_every=30, device="cpu")
NET = NetOptions(hidden=(16,))
WAYS = Condition(shots=2, queries=5, ways=4)


class Leaking(LabelledExamples):
    """The first query rows are the support rows again."""

    def sample(self, condition: Condition, count: int, generator: torch.Generator) -> Episodes:
        found = super().sample(condition, count, generator)
        size = found.support.rows
        rows, targets = found.query.inputs["numeric"].clone(), found.query.targets.clone()
        rows[:, :size], targets[:, :size] = found.support.inputs["numeric"], found.support.targets
        return replace(found, query=replace(found.query, inputs={"numeric": rows}, targets=targets))

    def batches(
        self, condition: Condition, count: int, seed: int, name: str, start: int = 0
    ) -> Iterator[Episodes]:
        generator = stream(seed, name)
        while True:
            yield self.sample(condition, count, generator)


def classes(
    name: str, kind: type[LabelledExamples] = LabelledExamples, count: int = 60, each: int = 8
) -> LabelledExamples:
    """Classes that are names alone: every row is noise of its own."""
    rows = torch.randn(count * each, 4, generator=stream(0, "noise", name))
    label = torch.arange(count).repeat_interleave(each)
    return kind(COLUMNS, {"numeric": rows}, label, [f"{name}{i}" for i in range(count)])


def table(name: str, kind: Kind, tasks: int = 300, each: int = 20) -> TaskRows:
    """Tasks whose labels are drawn without a look at the rows."""
    generator = stream(0, "noise", name)
    rows = torch.randn(tasks * each, 4, generator=generator)
    drawn = torch.randn(len(rows), generator=generator)
    targets = (drawn > 0).float() if kind.name == "binary" else drawn
    task = torch.arange(tasks).repeat_interleave(each)
    return TaskRows(COLUMNS, {"numeric": rows}, targets, task, [f"{name}{i}" for i in range(tasks)], kind)


def scores(name: str, train: EpisodeSource, test: EpisodeSource, condition: Condition) -> EpisodeScores:
    learner = make_learner(name, Spec.of(train, condition), net=NET)
    if learner.trained:
        fit_learner(learner, train, condition, OPTIONS)
    return evaluate_learner(learner, test, condition, episodes=600)


def able(kind: str, but: Sequence[str] = ()) -> list[str]:
    return [name for name, one in LEARNERS.items() if name not in but and kind in (one.kinds or {kind})]


@pytest.mark.parametrize("name", able("multiclass"))
def test_classes(name: str) -> None:
    found = scores(name, classes("train"), classes("test"), WAYS)
    # 12,000 query rows, drawn from 480: a standard deviation is below 0.02.
    assert found.metric.mean() == pytest.approx(0.25, abs=0.03)


# Two need an example of both answers in every support set.
@pytest.mark.parametrize("name", able("binary", but=("protonet", "centroid")))
def test_yes_and_no(name: str) -> None:
    found = scores(name, table("train", Binary()), table("test", Binary()), Condition(4, 10))
    assert found.loss.mean() > 0.685  # a fair coin's is log 2


@pytest.mark.parametrize("name", able("regression"))
def test_numbers(name: str) -> None:
    found = scores(name, table("train", Regression()), table("test", Regression()), Condition(4, 10))
    assert found.metric.mean() > 0.95  # the labels' variance is 1


@pytest.mark.parametrize("name", ["centroid", "protonet", "matching", "r2d2", "scratch"])
def test_a_leak_is_seen(name: str) -> None:
    found = scores(name, classes("train"), classes("test", Leaking), WAYS)
    assert found.metric.mean() > 0.4
