"""Independent networks in one model, trained by `fit`, are networks trained alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from train_stubs import Data

from sharewise.data.batches import Batch
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.tasks import InputSpec, Task, TaskSet
from sharewise.train import TrainOptions, fit

TASKS = TaskSet(
    [Task("easy", "regression"), Task("hard", "regression"), Task("noise"), Task("third", "count")]
)
INPUTS = InputSpec(cardinalities=(4,), bins=((-1.0, 0.0, 1.0),) * 3)
OPTIONS = TrainOptions(
    epochs=25, batch_size=20, learning_rate=2e-2, patience=2, precision="fp32", device="cpu"
)
MODEL = ModelOptions(sharing="independent", hidden=(8,), tower=(4,), numeric="piecewise", embedding=3)


def rows(count: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 3, generator=generator)
    ids = torch.randint(0, 4, (count, 1), generator=generator)
    noise = torch.randn(count, 2, generator=generator)
    easy, hard = x[:, 0] + 0.01 * noise[:, 0], torch.sin(3 * x[:, 1]) * x[:, 2] + 0.5 * noise[:, 1]
    coin = (torch.rand(count, generator=generator) > 0.5).float()
    counts = torch.poisson(torch.exp(0.5 * x[:, 2]), generator=generator)
    targets = torch.stack([easy, hard, coin, counts], 1)
    return Batch({"numeric": x, "categorical": ids}, targets, torch.ones_like(targets, dtype=torch.bool))


def only(batch: Batch, task: int) -> Batch:
    return replace(batch, targets=batch.targets[:, [task]], mask=batch.mask[:, [task]])


@pytest.mark.parametrize("members", [1, 2])
def test_trained_together_is_trained_alone(members: int) -> None:
    train, valid = rows(60, 0), rows(40, 1)
    options = replace(MODEL, members=members)
    together = MultiTaskModel(TASKS, INPUTS, options)
    result = fit(together, Data(TASKS, train, valid), OPTIONS)
    steps = []
    for i, task in enumerate(TASKS):
        alone = MultiTaskModel(TaskSet([task]), INPUTS, options)
        own = fit(alone, Data(TaskSet([task]), only(train, i), only(valid, i)), OPTIONS)
        steps.append(own.best_step)
        expected, found = alone(valid.inputs)[..., 0], together(valid.inputs)[..., i]
        assert torch.allclose(found, expected, atol=1e-5), task.name
        assert result.scores[task.name] == pytest.approx(own.scores[task.name], abs=1e-6)
    assert len(set(steps)) > 1, "all tasks were best at one step: nothing was tested"
    assert result.best_step == max(steps)


def test_other_structures_keep_one_step() -> None:
    for sharing in ("soft_sharing", "shared_bottom", "mmoe"):
        assert MultiTaskModel(TASKS, INPUTS, replace(MODEL, sharing=sharing)).task_parts() is None


def test_parts_cover_every_weight_once() -> None:
    model = MultiTaskModel(TASKS, INPUTS, MODEL)
    parts = model.task_parts()
    assert parts is not None
    seen = {name: torch.zeros(len(value)) for name, value in model.state_dict().items()}
    for own in parts:
        for name, place in own:
            seen[name][place] += 1
    assert all(bool((count == 1).all()) for count in seen.values())
