"""Losses, metrics and the score on a split; predictions in the label's unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from train_stubs import TASKS, Net, disjoint, joint, make

from sharewise.tasks import Task, TaskSet
from sharewise.train import evaluate, fit_constant, predict, score_of, split_by_task
from sharewise.train.constant import condensed
from sharewise.train.evaluate import loss_sums
from sharewise.train.objective import Objective


def test_metrics_are_in_the_label_s_unit() -> None:
    batch = joint(80)
    model = Net(TASKS)
    result = evaluate(model, batch, TASKS).tasks[0]
    seen = batch.mask[:, 0]
    truth = batch.targets[seen, 0] * 10 + 100
    guess = split_by_task(predict(model, batch.inputs, TASKS), TASKS)["number"][seen, 0]
    error = torch.sqrt((batch.weight[seen] * (guess - truth) ** 2).sum() / batch.weight[seen].sum())
    assert result.metrics["rmse"] == pytest.approx(error.item(), rel=1e-5)
    assert np.array_equal(result.rows, seen.nonzero().squeeze(1).numpy())
    assert len(result.effect.influence) == len(result.rows)


def test_losses_are_those_of_the_objective_whatever_the_batches() -> None:
    batch, model, objective = joint(83), Net(TASKS), Objective(TASKS)
    whole = evaluate(model, batch, TASKS)
    small = evaluate(model, batch, TASKS, rows_at_once=7)
    sums, totals = loss_sums(model, batch, objective, rows_at_once=10)
    assert list(whole.losses.values()) == pytest.approx((sums / totals).tolist(), rel=1e-5)
    assert list(whole.losses.values()) == pytest.approx(list(small.losses.values()), rel=1e-5)


def test_joint_and_disjoint_agree_for_one_task() -> None:
    tasks = TaskSet([Task("number", "regression", mean=3.0, scale=2.0)])
    batch = joint(50, tasks=tasks)
    other = replace(
        batch, targets=batch.targets[:, 0], mask=batch.mask[:, 0], task=torch.zeros(50, dtype=torch.long)
    )
    model = Net(tasks)
    one, two = evaluate(model, batch, tasks), evaluate(model, other, tasks)
    assert one.tasks[0].metrics == two.tasks[0].metrics
    assert one.losses == pytest.approx(two.losses)


def test_disjoint_results_are_each_task_s_own() -> None:
    batch, model = disjoint(120), Net(TASKS, disjoint=True)
    found = evaluate(model, batch, TASKS, constant=fit_constant(batch, TASKS))
    for index, result in enumerate(found.tasks):
        rows = (batch.task == index).nonzero().squeeze(1)
        alone = evaluate(model, batch.take(rows), TASKS).tasks[index]
        assert np.array_equal(result.rows, rows.numpy())
        assert result.metrics == pytest.approx(alone.metrics)
        assert result.loss == pytest.approx(alone.loss)


def test_the_constant_scores_zero_where_it_was_fitted() -> None:
    batch = joint(100)
    constant = fit_constant(batch, TASKS)
    assert evaluate(constant, batch, TASKS, constant=constant).score == pytest.approx(0, abs=1e-6)
    again = disjoint(200)
    constant = fit_constant(again, TASKS)
    assert evaluate(constant, again, TASKS, constant=constant).score == pytest.approx(0, abs=1e-6)


def test_condensed_labels_stand_for_all() -> None:
    chance = torch.Generator().manual_seed(0)
    targets, weights = torch.randn(50_000, generator=chance), torch.rand(50_000, generator=chance) + 0.1
    values, masses = condensed(targets, weights)
    assert len(values) == 4096
    assert masses.sum().item() == pytest.approx(weights.sum().item(), rel=1e-5)
    mean = (values * masses).sum() / masses.sum()
    assert mean.item() == pytest.approx(((targets * weights).sum() / weights.sum()).item(), abs=1e-5)
    values, masses = condensed((targets * 2).abs().floor(), weights)
    assert values.tolist() == list(range(len(values)))


def test_no_constant_is_better_than_the_fitted_one() -> None:
    batch = joint(100)
    best = fit_constant(batch, TASKS)
    losses = evaluate(best, batch, TASKS).losses
    for seed in range(5):
        change = 0.05 * torch.randn(best.flat.shape, generator=torch.Generator().manual_seed(seed))
        other = fit_constant(batch, TASKS)
        other.flat.add_(change)
        assert all(loss >= losses[name] - 1e-6 for name, loss in evaluate(other, batch, TASKS).losses.items())


def test_the_score_is_the_mean_gain_over_tasks_that_count() -> None:
    tasks = TaskSet([Task("a"), Task("b"), Task("c", weight=0), Task("d"), Task("e")])
    nan = float("nan")
    losses = torch.tensor([0.5, 30.0, 0.0, nan, 0.1])
    constants = torch.tensor([1.0, 1.0, 1.0, nan, 0.0])
    assert score_of(losses, constants, tasks) == pytest.approx((0.5 - 1.0) / 2)
    assert np.isnan(score_of(losses, torch.zeros(5), tasks))


def test_a_task_without_labels_has_no_metrics() -> None:
    batch = joint(30)
    batch = replace(batch, mask=batch.mask & torch.tensor([True, False, True, True, True]))
    data = make()
    found = evaluate(Net(TASKS), batch, TASKS, constant=fit_constant(data.train, TASKS))
    assert found.tasks[1].metrics == {}
    assert np.isnan(found.tasks[1].loss)
    assert not np.isnan(found.score)


def test_the_model_s_mode_stays_and_dropout_rests() -> None:
    model, batch = Net(TASKS, dropout=0.9), joint(30)
    model.train()
    assert evaluate(model, batch, TASKS).losses == evaluate(model, batch, TASKS).losses
    assert model.training
    assert model.head.weight.grad is None


class Members(nn.Module):
    """Three networks in one."""

    def __init__(self) -> None:
        super().__init__()
        self.nets = nn.ModuleList(Net(TASKS, seed=i) for i in range(3))

    def forward(self, inputs: Mapping[str, Tensor], *rest: object) -> Tensor:
        return torch.stack([net(inputs) for net in self.nets])


def test_an_ensemble_predicts_its_mean_and_is_judged_by_it() -> None:
    batch, model = joint(40), Members()
    model.eval()
    binary = torch.sigmoid(model(batch.inputs)[..., TASKS.groups[1].columns]).mean(0)[:, 0]
    found = split_by_task(predict(model, batch.inputs, TASKS), TASKS)["yes"][:, 0]
    assert torch.allclose(found, binary, atol=1e-6)
    # losses are convex in the prediction: better than the members on average
    members = torch.tensor([list(evaluate(net, batch, TASKS).losses.values()) for net in model.nets])
    assert (torch.tensor(list(evaluate(model, batch, TASKS).losses.values())) <= members.mean(0) + 1e-6).all()


def test_predictions_are_probabilities_and_rates() -> None:
    found = split_by_task(predict(Net(TASKS), joint(10).inputs, TASKS, rows_at_once=3), TASKS)
    assert list(found) == list(TASKS.names)
    assert torch.allclose(found["three"].sum(1), torch.ones(10))
    assert ((found["yes"] > 0) & (found["yes"] < 1)).all()
    assert (found["howmany"] > 0).all()
    assert found["number"].mean().item() == pytest.approx(100, abs=20)


def test_disjoint_predictions_are_padded_with_zeros() -> None:
    batch = disjoint(30)
    found = predict(Net(TASKS, disjoint=True), batch.inputs, TASKS, batch.task)
    narrow = torch.tensor([task.width for task in TASKS])[batch.task] == 1
    assert (found[narrow, 1:] == 0).all()
    assert torch.allclose(found[~narrow].sum(1), torch.ones(int((~narrow).sum())))
