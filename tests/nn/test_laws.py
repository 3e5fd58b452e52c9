"""Laws that hold exactly, or to rounding, whatever the data."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sharewise.nn import STRUCTURES, ModelOptions, MultiTaskModel
from sharewise.tasks import TaskSet
from sharewise.testing.structures import mixed_tasks, per_task
from sharewise.testing.toys import ROWS, SMALL, SPEC, make_inputs, make_labels, make_tasks


def losses_of(
    model: nn.Module, tasks: TaskSet, inputs: dict[str, Tensor], labels: dict[str, Tensor]
) -> Tensor:
    outputs = per_task(model(inputs), tasks)
    return torch.stack(
        [
            task.kind.loss(y, labels[task.name].expand(y.shape[:-1])).mean()
            for task, y in zip(tasks, outputs, strict=True)
        ]
    )


def train(tasks: TaskSet, options: ModelOptions, steps: int = 20) -> MultiTaskModel:
    """Train on the sum of the losses, in float64."""
    model = MultiTaskModel(tasks, SPEC, options).double()
    inputs = {key: x.double() if x.is_floating_point() else x for key, x in make_inputs().items()}
    labels = {t.name: make_labels(t.kind, (ROWS,), seed).double() for seed, t in enumerate(mixed_tasks())}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        losses_of(model, tasks, inputs, labels).sum().backward()
        optimizer.step()
    return model


@pytest.mark.parametrize("numeric", ["linear", "bins", "piecewise", "periodic"])
def test_independent_equals_networks_trained_alone(numeric: str) -> None:
    tasks = mixed_tasks()
    options = replace(SMALL, sharing="independent", numeric=numeric, members=2)
    together = per_task(train(tasks, options).float()(make_inputs()), tasks)
    for task, found in zip(tasks, together, strict=True):
        alone = train(TaskSet([task]), options).float()(make_inputs())
        torch.testing.assert_close(found, alone, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("descriptor", ["index", "attributes"])
def test_concat_is_a_bias_for_every_task(descriptor: str) -> None:
    tasks, inputs = make_tasks("binary"), make_inputs()
    options = replace(SMALL, condition_at=(0,), descriptor=descriptor)
    concat = MultiTaskModel(tasks, SPEC, replace(options, sharing="concat"))
    add = MultiTaskModel(tasks, SPEC, replace(options, sharing="add"), seed=1)
    assert not torch.allclose(concat(inputs), add(inputs))
    add.load_state_dict(concat.state_dict())  # the weights that meet z become the biases
    assert torch.equal(concat(inputs), add(inputs))


def test_concat_is_a_layer_on_x_and_one_hot_z() -> None:
    tasks, inputs = make_tasks("binary"), make_inputs()
    model = MultiTaskModel(tasks, SPEC, replace(SMALL, sharing="concat"))
    features = model.encoder(inputs)
    layer = model.sharing.layers[0]
    weight = torch.cat([layer.weight[0], model.sharing.conditions["0"].project.table.t()], 1)
    for task in range(len(tasks)):
        z = nn.functional.one_hot(torch.full((ROWS,), task), len(tasks)).float()
        h = torch.relu(torch.cat([features, z], 1) @ weight.t() + layer.bias[0])
        h = torch.relu(model.sharing.layers[1](h))
        torch.testing.assert_close(model.heads(h)[:, 0], model(inputs)[:, task])


def test_gating_can_hold_independent_networks() -> None:
    """Multiplicative gating switches units off by task, so one net is two: y = sum_j 1(z = j) y_j."""
    tasks, inputs = make_tasks("binary", 2), make_inputs()
    options = replace(SMALL, sharing="multiply", multiply="gate", hidden=(4,), tower=(), head="per_kind")
    model = MultiTaskModel(tasks, SPEC, options)
    with torch.no_grad():
        gate = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]])
        model.sharing.conditions["0"].scale.table.copy_(gate - 1)
    before = model(inputs)
    with torch.no_grad():
        model.sharing.layers[0].weight[0, 2:] += 1
    after = model(inputs)
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1], after[:, 1])


@pytest.mark.parametrize("mixture", ["mmoe", "omoe"])
@pytest.mark.parametrize("hidden", [(6,), (6, 40)])
def test_a_mixture_of_one_expert_is_the_shared_bottom(mixture: str, hidden: tuple[int, ...]) -> None:
    tasks, inputs = mixed_tasks(), make_inputs()
    one = MultiTaskModel(tasks, SPEC, replace(SMALL, sharing=mixture, experts=1, hidden=hidden))
    bottom = MultiTaskModel(tasks, SPEC, replace(SMALL, sharing="shared_bottom", hidden=hidden))
    torch.testing.assert_close(one(inputs), bottom(inputs))
    task = torch.arange(ROWS) % len(tasks)
    torch.testing.assert_close(one(inputs, task), bottom(inputs, task))


def test_ple_of_one_level_is_cgc() -> None:
    inputs = make_inputs()
    ple, cgc = (
        MultiTaskModel(mixed_tasks(), SPEC, replace(SMALL, sharing=s, levels=1)) for s in ("ple", "cgc")
    )
    assert torch.equal(ple(inputs), cgc(inputs))
    assert torch.equal(ple.gates(inputs), cgc.gates(inputs))


def test_cgc_is_a_mixture_with_masked_gates() -> None:
    tasks, inputs = make_tasks("regression"), make_inputs()
    model = MultiTaskModel(tasks, SPEC, replace(SMALL, sharing="cgc", specific=2))
    level, x = model.sharing.level, model.encoder(inputs)
    experts = torch.cat([level.shared(x), level.specific(x)])  # shared ones first
    found = model.sharing(x, None, None)
    for task in range(3):
        gate = torch.softmax(x @ level.gate.linear.weight[task].t() + level.gate.linear.bias[task], 1)
        full = torch.zeros(ROWS, 3 + 3 * 2)
        full[:, :3], full[:, 3 + 2 * task : 5 + 2 * task] = gate[:, 2:], gate[:, :2]
        torch.testing.assert_close(found[task], torch.einsum("re,ero->ro", full, experts))
        torch.testing.assert_close(model.gates(inputs)[task], full.mean(0))


def test_cross_stitch_with_the_identity_is_independent() -> None:
    tasks, inputs = mixed_tasks(), make_inputs()
    stitched = MultiTaskModel(tasks, SPEC, replace(SMALL, sharing="cross_stitch", stitch=1.0))
    alone = MultiTaskModel(tasks, SPEC, replace(SMALL, sharing="independent"))
    for i, layer in enumerate(alone.sharing.nets.layers):
        layer.load_state_dict(stitched.sharing.layers[i].state_dict())
    torch.testing.assert_close(stitched(inputs), alone(inputs))


def test_pairwise_distance_is_tasks_times_distance_to_the_mean() -> None:
    tasks = make_tasks("count", 4)
    model = MultiTaskModel(tasks, SPEC, replace(SMALL, sharing="soft_sharing", soft=0.5, soft_to="pairwise"))
    own = [*model.encoder.parameters(), *model.sharing.parameters()]
    pairs = sum((p[s] - p[t]).square().sum() for p in own for s in range(4) for t in range(s))
    torch.testing.assert_close(model.penalty(), 0.5 * pairs)


def test_soft_sharing_without_a_factor_is_independent() -> None:
    tasks = TaskSet(list(mixed_tasks())[:3])
    soft = MultiTaskModel(tasks, SPEC, replace(SMALL, sharing="soft_sharing", soft=0.0))
    alone = MultiTaskModel(tasks, SPEC, replace(SMALL, sharing="independent"))
    assert torch.equal(soft(make_inputs()), alone(make_inputs()))
    assert float(soft.penalty().detach()) == 0


@pytest.mark.parametrize("name", STRUCTURES)
def test_permuting_tasks_permutes_training(name: str) -> None:
    tasks = TaskSet(list(mixed_tasks())[:4])
    options = replace(SMALL, sharing=name, soft=0.0)
    turned = TaskSet([tasks[i] for i in (2, 0, 3, 1)])
    found = per_task(train(tasks, options, 5).float()(make_inputs()), tasks)
    other = per_task(train(turned, options, 5).float()(make_inputs()), turned)
    for place, task in enumerate((2, 0, 3, 1)):
        torch.testing.assert_close(other[place], found[task], atol=1e-5, rtol=1e-5)


def test_another_task_changes_no_network_of_its_own() -> None:
    few, many = TaskSet(list(mixed_tasks())[:2]), mixed_tasks()
    options = replace(SMALL, sharing="independent")
    found = per_task(MultiTaskModel(few, SPEC, options)(make_inputs()), few)
    more = per_task(MultiTaskModel(many, SPEC, options)(make_inputs()), many)
    for task in range(2):
        torch.testing.assert_close(found[task], more[task])
