"""Losses by task, against the definition written as loops, and their laws."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from train_stubs import TASKS, disjoint, joint

from sharewise.data.batches import Batch
from sharewise.tasks import TaskSet
from sharewise.train import Objective


def losses_of(outputs: Tensor, batch: Batch, tasks: TaskSet = TASKS) -> Tensor:
    objective = Objective(tasks)
    weights = objective.weigh(batch)
    return objective.sums(outputs, batch, weights) * weights.factors


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def joint_by_loops(outputs: Tensor, batch: Batch) -> Tensor:
    """The definition: for every task, the weighted mean over its observed rows."""
    losses = torch.zeros(len(TASKS))
    for group in TASKS.groups:
        for position, index in enumerate(group.index):
            top = bottom = 0.0
            for row in range(len(batch)):
                start = group.columns.start + position * group.width
                if batch.mask[row, index]:
                    own = outputs[row, start : start + group.width]
                    loss = group.kind.loss(own, batch.targets[row, index]).item()
                    top += batch.weight[row].item() * loss
                    bottom += batch.weight[row].item()
            losses[index] = top / bottom if bottom else 0.0
    return losses


def disjoint_by_loops(outputs: Tensor, batch: Batch) -> Tensor:
    losses = torch.zeros(len(TASKS))
    for row, index in enumerate(batch.task.tolist()):
        task = TASKS[index]
        loss = task.kind.loss(outputs[row, : task.width], batch.targets[row])
        losses[index] += batch.draws * batch.weight[row] * batch.mask[row] * loss
    return losses / (batch.weight * batch.mask).sum()


@given(st.integers(0, 1000), st.floats(0, 1))
@settings(max_examples=15, deadline=None)
def test_joint_losses_are_their_definition(seed: int, missing: float) -> None:
    batch, outputs = joint(12, seed, missing=missing), noise(12, TASKS.columns, seed=seed)
    assert torch.allclose(losses_of(outputs, batch), joint_by_loops(outputs, batch), atol=1e-5)


@given(st.integers(0, 1000), st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_disjoint_losses_are_their_definition(seed: int, draws: int) -> None:
    batch, outputs = replace(disjoint(12, seed), draws=draws), noise(12, TASKS.width, seed=seed)
    assert torch.allclose(losses_of(outputs, batch), disjoint_by_loops(outputs, batch), atol=1e-5)


@pytest.mark.parametrize("shape", ["joint", "disjoint"])
def test_members_count_by_their_mean(shape: str) -> None:
    batch = joint(9) if shape == "joint" else disjoint(9)
    outputs = noise(4, 9, TASKS.columns if shape == "joint" else TASKS.width)
    each = torch.stack([losses_of(member, batch) for member in outputs])
    assert torch.allclose(losses_of(outputs, batch), each.mean(0), atol=1e-6)


def test_a_missing_label_is_as_a_dropped_one() -> None:
    batch, outputs = joint(20, missing=0.4), noise(20, TASKS.columns).requires_grad_()
    task = 1
    seen = batch.mask[:, task]
    (gradient,) = torch.autograd.grad(losses_of(outputs, batch)[task], outputs)
    assert (gradient[~seen] == 0).all()
    kept = losses_of(outputs[seen], batch.take(seen.nonzero().squeeze(1)))[task]
    assert kept.item() == pytest.approx(losses_of(outputs, batch)[task].item(), abs=1e-6)


def test_what_stands_where_a_label_is_missing_does_not_matter() -> None:
    batch, outputs = joint(20, missing=0.4), noise(20, TASKS.columns)
    other = replace(batch, targets=torch.where(batch.mask, batch.targets, 1.0))
    assert torch.equal(losses_of(outputs, batch), losses_of(outputs, other))


def test_permuted_tasks_have_permuted_losses() -> None:
    order = [3, 0, 4, 2, 1]
    permuted = TaskSet(TASKS[i] for i in order)
    batch = joint(15)
    other = replace(batch, targets=batch.targets[:, order], mask=batch.mask[:, order])
    columns = {t.name: noise(15, t.width, seed=i) for i, t in enumerate(TASKS)}

    def flat(tasks: TaskSet) -> Tensor:
        return torch.cat([columns[tasks[i].name] for group in tasks.groups for i in group.index], 1)

    here, there = losses_of(flat(TASKS), batch), losses_of(flat(permuted), other, permuted)
    assert torch.allclose(here[order], there, atol=1e-6)


@pytest.mark.parametrize("shape", ["joint", "disjoint"])
def test_parts_add_up_to_the_whole(shape: str) -> None:
    batch = joint(11) if shape == "joint" else disjoint(11)
    outputs = noise(11, TASKS.columns if shape == "joint" else TASKS.width)
    objective = Objective(TASKS)
    whole = objective.weigh(batch)
    sums = [
        objective.sums(outputs[rows], batch.take(rows), whole.part(rows))
        for rows in (slice(0, 4), slice(4, 4), slice(4, 11))
    ]
    expected = objective.sums(outputs, batch, whole)
    assert torch.allclose(torch.stack(sums).sum(0), expected, atol=1e-5)


def test_no_labels_at_all_give_zero_and_no_gradient() -> None:
    batch, outputs = joint(6, missing=1.1), noise(6, TASKS.columns).requires_grad_()
    losses = losses_of(outputs, batch)
    losses.sum().backward()
    assert (losses == 0).all()
    assert (outputs.grad == 0).all()
