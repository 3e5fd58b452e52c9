"""Task weights tuned on the main task's validation loss: signs, exact gradients, refusals."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import polars as pl
import pytest
import torch

from sharewise.balance import make_balancer
from sharewise.data import Batch, ColumnSplit, Table
from sharewise.errors import ConfigError, DataError
from sharewise.meta.bilevel import (
    Adam,
    ConjugateGradient,
    Descent,
    HyperGradient,
    Implicit,
    TuneOptions,
    Unrolled,
    Weights,
    hyper_gradient,
    weights_of,
)
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.study import TaskWeightOptions, judged_by, tune_task_weights
from sharewise.study.task_weights import task_problem, training, validation
from sharewise.tasks import Task
from sharewise.train import TrainOptions, evaluate, fit


def table(labelled: int = 60, rows: int = 600, seed: int = 0, disjoint: bool = False) -> Table:
    """A main label on few rows; a helpful one that is almost the same, a harmful one of other inputs."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 5))
    signal = np.tanh(x[:, 0] + x[:, 1]) + 0.5 * x[:, 2]
    part = np.array(["train", "valid", "test"])[np.arange(rows) % 3]
    few = (np.arange(rows) < 3 * labelled) | (part == "test")
    labels = {
        "harmful": np.tanh(2 * x[:, 3]) - np.tanh(2 * x[:, 4]),
        "main": np.where(few, signal + 0.2 * rng.normal(size=rows), np.nan),
        "helpful": signal + 0.2 * rng.normal(size=rows),
    }
    frame = pl.DataFrame({**{f"x{i}": x[:, i] for i in range(5)}, "part": part})
    if not disjoint:
        frame = frame.with_columns(**{n: pl.Series(y).fill_nan(None) for n, y in labels.items()})
        return Table(frame, [Task(n, "regression") for n in labels], split=ColumnSplit("part"))
    stacked = pl.concat(
        frame.with_columns(y=pl.Series(y).fill_nan(None), which=pl.lit(n)) for n, y in labels.items()
    )
    task = Task("y", "regression")
    return Table(stacked, [task], split=ColumnSplit("part"), task_column="which")


def doubled(batch: Batch) -> Batch:
    return replace(
        batch, inputs={k: v.double() for k, v in batch.inputs.items()}, targets=batch.targets.double()
    )


def build(data: Table, dropout: float = 0.0) -> MultiTaskModel:
    options = ModelOptions(sharing="shared_bottom", hidden=(2,), dropout=dropout)
    return MultiTaskModel(data.tasks, data.schema.inputs, options)


def by_name(data: Table, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    others = [name for name in data.tasks.names if name != "main"]
    return gradient[others.index("harmful")], gradient[others.index("helpful")]


@pytest.mark.parametrize("disjoint", [False, True])
@pytest.mark.parametrize("start", [0.0, 0.5])
@pytest.mark.parametrize(
    "method",
    [
        Unrolled(Descent(0.1, 0.9), 10),
        Implicit(Descent(0.1, 0.9), 0, ConjugateGradient(15), damping=0.3),
    ],
    ids=["unrolled", "implicit"],
)
def test_signs_also_at_weight_0(method: Unrolled | Implicit, start: float, disjoint: bool) -> None:
    """More weight for the helpful task lowers the main task's validation loss, and 0 is no dead end."""
    data = table(disjoint=disjoint)
    model, options = build(data), TaskWeightOptions(batch_size=600)
    problem, outer = task_problem(model, data, "main"), next(validation(model, data, "main", options))

    def at(phi: Weights, weight: float, method: Unrolled | Implicit) -> HyperGradient:
        theta = {"weights": torch.full((2,), weight)}
        return hyper_gradient(problem, phi, theta, method, inner=training(model, data, options), outer=outer)

    phi = at(weights_of(model), 0.3, Unrolled(Descent(0.1, 0.9), 30, truncate=1)).phi
    found = at(phi, start, method)
    harmful, helpful = by_name(data, found.gradient["weights"])
    assert float(helpful) < -1e-3
    assert float(harmful) > 1e-3


def test_equals_finite_differences() -> None:
    data = table()
    model, options = build(data, dropout=0.3).double(), TaskWeightOptions(batch_size=50)
    problem, method = task_problem(model, data, "main"), Unrolled(Adam(0.01), 4)
    drawn = list(islice(training(model, data, options), 4))
    drawn = [own._replace(batch=doubled(own.batch)) for own in drawn]
    judged = next(validation(model, data, "main", options))
    judged = judged._replace(batch=doubled(judged.batch))

    def at(weights: torch.Tensor):
        return hyper_gradient(
            problem, weights_of(model), {"weights": weights}, method, inner=drawn, outer=judged
        )

    weights = torch.tensor([0.7, 0.4], dtype=torch.float64)
    found, width = at(weights).gradient["weights"], 0.02  # losses are in fp32
    for i in range(2):
        step = width * torch.eye(2, dtype=torch.float64)[i]
        slope = (at(weights + step).loss - at(weights - step).loss) / (2 * width)
        assert float(found[i]) == pytest.approx(slope, rel=1e-2, abs=1e-7)


def test_finds_the_helpful_task_and_leaves_the_table_alone() -> None:
    data = table()
    before, model = data.digest(), build(data)
    options = TaskWeightOptions(
        method=Unrolled(Adam(0.02), 4), tune=TuneOptions(rounds=40, rate=0.1), batch_size=200, start=0.5
    )
    found = tune_task_weights(model, data, "main", options)
    assert list(found.weights) == list(data.tasks.names)
    assert found.weights["main"] == 1.0
    assert found.auxiliary == ("harmful", "helpful")
    assert found.weights["helpful"] > 0.5 > found.weights["harmful"] >= 0
    assert len(found.history) == 40
    assert not model.training
    assert data.digest() == before
    again = tune_task_weights(build(data), data, "main", options)
    assert again.weights == found.weights
    balancer = make_balancer(data.tasks, "fixed", weights=found.weights)
    fit(build(data), judged_by(data, "main"), TrainOptions(epochs=1, device="cpu"), balancer=balancer)


def test_chance_outside_is_left_alone() -> None:
    data = table()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    options = TaskWeightOptions(tune=TuneOptions(rounds=2), batch_size=50)
    tune_task_weights(build(data, dropout=0.5), data, "main", options)
    assert torch.rand(3).equal(expected)


@pytest.mark.parametrize("disjoint", [False, True])
def test_judged_by_shows_one_task(disjoint: bool) -> None:
    data = table(disjoint=disjoint)
    shown = judged_by(data, "main")
    model = build(data)
    seen = evaluate(model, shown.valid, data.tasks).losses
    assert seen["main"] == pytest.approx(evaluate(model, data.valid, data.tasks).losses["main"])
    assert [name for name, loss in seen.items() if loss == loss] == ["main"]
    assert shown.digest() != data.digest()
    assert shown.train is data.train


class TestRefusals:
    def test_an_unknown_main_task(self) -> None:
        data = table()
        for call in (
            lambda: tune_task_weights(build(data), data, "man"),
            lambda: judged_by(data, "man"),
        ):
            with pytest.raises(ConfigError, match="Did you mean 'main'"):
                call()

    def test_a_main_task_alone(self) -> None:
        frame = pl.DataFrame({"x": np.arange(60.0), "y": np.arange(60.0) % 7})
        data = Table(frame, [Task("y", "regression")])
        with pytest.raises(ConfigError, match="no task beside 'y'"):
            tune_task_weights(build(data), data, "y")

    def test_no_validation_label(self) -> None:
        data = judged_by(table(), "helpful")
        with pytest.raises(DataError, match="No validation row has a label of the task 'main'"):
            tune_task_weights(build(table()), data, "main")

    @pytest.mark.parametrize("wrong", [{"start": -1.0}, {"batch_size": 0}, {"valid_batch_size": 0}])
    def test_options(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ConfigError, match="Use"):
            TaskWeightOptions(**wrong)
