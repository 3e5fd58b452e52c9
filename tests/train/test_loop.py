"""The loop: it learns, stops, repeats itself bit for bit, and says what went wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from train_stubs import TASKS, Data, Net, disjoint, joint, make

from sharewise.balance import make_balancer
from sharewise.errors import CheckpointError, DataError, DivergedError
from sharewise.tasks import Task, TaskSet
from sharewise.train import Progress, Run, TrainOptions, evaluate, fit, fit_constant

OPTIONS = TrainOptions(epochs=3, batch_size=32, learning_rate=1e-2, precision="fp32", device="cpu")


def weights_of(model: torch.nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_it_learns_and_leaves_the_best_weights() -> None:
    data, model = make(600), Net(TASKS)
    result = fit(model, data, replace(OPTIONS, epochs=8, evals_per_epoch=2))
    assert result.best_score > 0.4
    assert result.best_score == max(record["score"] for record in result.history)
    found = evaluate(model, data.valid, TASKS, constant=fit_constant(data.train, TASKS))
    assert found.score == pytest.approx(result.best_score, abs=1e-6)
    gains = {t.name: 1 - t.loss / t.constant_loss for t in found.tasks}
    assert result.scores == pytest.approx(gains, abs=1e-6)
    assert not model.training
    assert result.rows_per_second > 0


def test_disjoint_data_with_tasks_drawn_first() -> None:
    data = Data(TASKS, disjoint(600), disjoint(200, 1))
    options = replace(OPTIONS, epochs=8, sampling="uniform", tasks_per_batch=4)
    assert fit(Net(TASKS, disjoint=True), data, options).best_score > 0.2


def test_the_same_twice_gives_the_same_bits_and_leaves_the_global_chance_alone() -> None:
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        model = Net(TASKS)
        history = fit(model, make(), OPTIONS).history
        assert torch.equal(before, torch.get_rng_state())
        found.append((weights_of(model), history))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    other = Net(TASKS)
    fit(other, make(), replace(OPTIONS, seed=1))
    assert not torch.equal(weights_of(other), found[0][0])


def test_patience_stops_and_evaluations_are_spread() -> None:
    data = make(100)
    result = fit(
        Net(TASKS), data, replace(OPTIONS, epochs=50, learning_rate=1e-9, patience=2, evals_per_epoch=2)
    )
    assert len(result.history) < 100
    steps = [record["step"] for record in result.history]
    assert steps[:3] == [2, 4, 6]
    worse = [r["step"] for r in result.history if r["step"] > result.best_step]
    assert len(worse) == 2


def test_accumulated_batches_are_one_large_batch() -> None:
    data = Data(TASKS, replace(joint(64, missing=0), weight=None), joint(30, 1))
    weights = []
    for batch_size, accumulate in ((32, 1), (8, 4)):
        model = Net(TASKS, dropout=0.0)
        fit(model, data, replace(OPTIONS, batch_size=batch_size, accumulate=accumulate))
        weights.append(weights_of(model))
    assert torch.allclose(*weights, atol=1e-5)


def test_an_epoch_s_last_accumulation_may_be_short() -> None:
    result = fit(Net(TASKS), make(200), replace(OPTIONS, batch_size=16, accumulate=4))
    assert result.steps == 3 * 4  # 13 batches: 4 + 4 + 4 + 1


def test_scaling_the_losses_of_a_task_changes_its_weight_only() -> None:
    tasks = TASKS.replace(weight=[0.0, 1.0, 0.0, 0.0, 0.0])
    one, two = Net(TASKS, dropout=0.0), Net(TASKS, dropout=0.0)
    fit(one, Data(tasks, make().train, make().valid), replace(OPTIONS, patience=None, epochs=1))
    data = Data(TASKS.replace(weight=[1.0] * 5), make().train, make().valid)
    balancer = make_balancer(TASKS, "fixed", weights=[0.0, 1.0, 0.0, 0.0, 0.0])
    fit(two, data, replace(OPTIONS, patience=None, epochs=1), balancer=balancer)
    assert torch.allclose(weights_of(one), weights_of(two), atol=1e-6)


def test_groups_have_their_own_rate_and_decay() -> None:
    model = Net(TASKS, dropout=0.0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    data = Data(TASKS, replace(joint(32), mask=torch.zeros(32, 5, dtype=torch.bool)), joint(30, 1))
    model.penalty = lambda: torch.zeros(())  # type: ignore[method-assign]
    fit(model, data, replace(OPTIONS, epochs=1, weight_decay=0.1))
    decayed = {n: torch.allclose(p, before[n] * (1 - 1e-2 * 0.1)) for n, p in model.named_parameters()}
    assert decayed["body.0.weight"]
    assert torch.equal(model.head.weight, before["head.weight"])


def test_clipping_bounds_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    step = torch.optim.AdamW.step

    def watched(self: Any, *arguments: Any) -> Any:
        gradients = [p.grad.flatten() for group in self.param_groups for p in group["params"]]
        seen.append(torch.cat(gradients).norm().item())
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    fit(Net(TASKS), make(), replace(OPTIONS, epochs=1, clip=0.01))
    assert max(seen) <= 0.0101


class Breaks(Net):
    """Gives a NaN for one task from some step on."""

    def __init__(self, at: int) -> None:
        super().__init__(TASKS)
        self.at, self.calls = at, 0

    def forward(self, inputs: Mapping[str, Tensor], *rest: Any) -> Tensor:
        outputs = super().forward(inputs, *rest)
        if self.training:
            self.calls += 1
            if self.calls > self.at:
                outputs = outputs + torch.tensor([0.0, math.nan, 0, 0, 0, 0, 0])
        return outputs


def test_a_nan_names_the_task_and_the_step_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    model = Breaks(9)
    with pytest.raises(DivergedError, match=r"task 'yes' is not a finite number at step 9; "):
        fit(model, make(), replace(OPTIONS, batch_size=50), folder=tmp_path)
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == ["step-00000004", "step-00000008"]
    healthy = Breaks(10**9)
    assert fit(healthy, make(), replace(OPTIONS, batch_size=50), folder=tmp_path).steps == 12


def test_an_infinite_validation_loss_stops_too() -> None:
    data = make()
    data.valid.inputs["numeric"][3] = math.inf
    with pytest.raises(DivergedError, match="on the validation split after step"):
        fit(Net(TASKS), data, OPTIONS)


def test_without_validation_rows_the_last_weights_stay() -> None:
    data = Data(TASKS, joint(100), joint(0))
    result = fit(Net(TASKS), data, OPTIONS)
    assert math.isnan(result.best_score)
    assert result.best_step == result.steps == 12
    assert result.history[0]["valid"] == {}


def test_without_training_rows_it_says_so() -> None:
    with pytest.raises(DataError, match="no rows"):
        fit(Net(TASKS), Data(TASKS, joint(0), joint(10)), OPTIONS)


def test_the_log_holds_no_times_and_the_folder_is_sealed(tmp_path: Path) -> None:
    result = fit(Net(TASKS), make(), OPTIONS, folder=tmp_path / "a")
    fit(Net(TASKS), make(), OPTIONS, folder=tmp_path / "b")
    run, other = Run.open(tmp_path / "a"), Run.open(tmp_path / "b")
    assert run.digest == other.digest
    assert run.history() == result.history
    assert run.names == ("log.jsonl", "model.safetensors", "timing.json")
    model = Net(TASKS, seed=5)
    run.load_weights(model)
    trained = Net(TASKS)
    fit(trained, make(), OPTIONS)
    assert torch.equal(weights_of(model), weights_of(trained))


def test_a_run_grows_and_is_sealed_again(tmp_path: Path) -> None:
    fit(Net(TASKS), make(), OPTIONS, folder=tmp_path)
    run = Run.create(tmp_path)
    run.write_json("metrics.json", {"score": 0.5})
    run.seal()
    again = Run.open(tmp_path)
    assert again.read_json("metrics.json") == {"score": 0.5}
    with pytest.raises(CheckpointError, match=r"no schema.json"):
        again.read("schema.json")
    with pytest.raises(CheckpointError, match="do not fit"):
        again.load_weights(Net(TASKS, features=9))
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(CheckpointError, match="damaged"):
        Run.open(tmp_path)


class Told(Progress):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def start(self, steps: int, done: int) -> None:
        self.heard.append(("start", steps, done))

    def step(self, rows: int) -> None:
        self.heard.append(rows)

    def evaluated(self, record: Mapping[str, Any]) -> None:
        self.heard.append(json.loads(json.dumps(record)))

    def close(self) -> None:
        self.heard.append("close")


def test_progress_hears_everything() -> None:
    told = Told()
    result = fit(Net(TASKS), make(70), replace(OPTIONS, epochs=1), progress=told)
    assert told.heard == [("start", 3, 0), 32, 32, 6, result.history[0], "close"]


def test_one_task_alone() -> None:
    tasks = TaskSet([Task("number", "regression")])
    data = Data(tasks, joint(200, tasks=tasks), joint(50, 1, tasks))
    assert fit(Net(tasks), data, replace(OPTIONS, epochs=10)).best_score > 0.5
