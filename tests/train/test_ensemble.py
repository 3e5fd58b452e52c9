"""The members of an ensemble give one prediction: the mean of theirs, in both shapes of data."""

from __future__ import annotations

import torch

from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.tasks import InputSpec, Task, TaskSet
from sharewise.train import predict
from sharewise.train.predict import split_by_task

TASKS = TaskSet(
    [
        Task("late"),
        Task("why", "multiclass", classes=("rain", "crew", "plane")),
        Task("many", "count"),
        Task("delay", "regression", mean=5.0, scale=2.0),
    ]
)
SPEC = InputSpec(bins=((-1.0, 0.0, 1.0),) * 2)


def test_predictions_are_means_over_members() -> None:
    torch.manual_seed(0)
    model = MultiTaskModel(TASKS, SPEC, ModelOptions(sharing="shared_bottom", hidden=(8,), members=3))
    inputs = {"numeric": torch.randn(20, 2)}
    outputs = model(inputs).detach()
    assert outputs.shape[0] == 3
    joint = split_by_task(predict(model, inputs, TASKS), TASKS)
    assert torch.allclose(joint["why"].sum(-1), torch.ones(20))
    for group in TASKS.groups:
        task = TASKS[group.index[0]]
        mean = task.kind.link(outputs[..., group.columns]).mean(0)
        expected = mean * task.scale + task.mean if task.kind.standardised else mean
        assert torch.allclose(joint[task.name], expected, atol=1e-6)
        rows = torch.full((20,), group.index[0])
        disjoint = predict(model, inputs, TASKS, rows)[:, : group.width]
        assert torch.allclose(disjoint, expected, atol=1e-5)
