"""The contract of sharing structures: `check_structure("mine")` holds one to all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor, nn

from sharewise.errors import ConfigError
from sharewise.nn import STRUCTURES, ModelOptions, MultiTaskModel, RowShard, row_shard
from sharewise.streams import stream
from sharewise.tasks import TaskSet
from sharewise.tasks.kinds import KINDS
from sharewise.testing.toys import (
    ROWS,
    SMALL,
    SPEC,
    Case,
    make_inputs,
    make_tasks,
    make_toy,
    plain_loss,
    row_losses,
)


def structure_cases(
    structures: Iterable[str] | None = None, kinds: Iterable[str] | None = None
) -> list[Case]:
    """Return every structure x kind x shape x {full, missing labels}; of all registered, by default."""
    names, of_kind = tuple(structures or STRUCTURES), tuple(kinds or KINDS)
    return [Case(*parts) for parts in product(names, of_kind, ("joint", "disjoint"), (False, True))]


def check_structure(name: str) -> None:
    """Hold one structure of `STRUCTURES` to the whole contract.

    Raises:
        AssertionError: if it breaks a rule, with the rule's name.
    """
    for check in STRUCTURE_CHECKS.values():
        check(name)
    for case in structure_cases([name]):
        for case_check in CASE_CHECKS.values():
            case_check(case)


def _model(structure: str, tasks: TaskSet, seed: int = 0, **changes: object) -> MultiTaskModel:
    options = replace(SMALL, sharing=structure, **changes)  # type: ignore[arg-type]
    return MultiTaskModel(tasks, SPEC, options, seed=seed)


def _close(a: Tensor, b: Tensor, what: str, tolerance: float = 1e-5) -> None:
    assert a.shape == b.shape, f"{what}: shapes {tuple(a.shape)} and {tuple(b.shape)}"
    assert torch.allclose(a, b, atol=tolerance, rtol=tolerance), f"{what}: off by {(a - b).abs().max():.2g}"


def outputs_have_their_shape(case: Case) -> None:
    """Joint ``[rows, columns]``, disjoint ``[rows, width]``, with members in front; finite; float32."""
    toy = make_toy(case)
    width = toy.tasks.columns if case.shape == "joint" else toy.tasks.width
    for members in (1, 2):
        outputs = _model(case.structure, toy.tasks, members=members)(toy.inputs, toy.task)
        assert outputs.shape == (*((members,) if members > 1 else ()), ROWS, width), (
            f"{case}: {outputs.shape}"
        )
        assert outputs.isfinite().all(), str(case)
        assert outputs.dtype == torch.float32, str(case)


def gradients_reach_parameters(case: Case) -> None:
    """Every parameter has a gradient, and it is finite."""
    toy = make_toy(case)
    model = _model(case.structure, toy.tasks, importance=0.1)
    plain_loss(model, toy).backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{case}: no gradient for {name}"
        assert parameter.grad.isfinite().all(), f"{case}: gradient of {name}"


def training_lowers_the_loss(case: Case) -> None:
    """A few steps of Adam bring the loss down."""
    toy = make_toy(case)
    model = _model(case.structure, toy.tasks)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = plain_loss(model, toy)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.01, f"{case}: from {losses[0]:.3f} to {losses[-1]:.3f}"


def missing_labels_say_nothing(case: Case) -> None:
    """Other numbers in place of missing labels change no gradient."""
    toy = make_toy(case)
    model = _model(case.structure, toy.tasks)
    changed = replace(toy, targets=torch.where(toy.mask, toy.targets, 1.0))
    grads = []
    for data in (toy, changed):
        loss = row_losses(model, data).sum()
        grads.append(torch.autograd.grad(loss, list(model.parameters()), materialize_grads=True))
    for one, other in zip(*grads, strict=True):
        assert torch.equal(one, other), str(case)


CASE_CHECKS: dict[str, Callable[[Case], None]] = {
    check.__name__: check
    for check in (
        outputs_have_their_shape,
        gradients_reach_parameters,
        training_lowers_the_loss,
        missing_labels_say_nothing,
    )
}


def mixed_tasks() -> TaskSet:
    """Return tasks of all built-in kinds, those of a kind not side by side."""
    named = {kind: tuple(make_tasks(kind, 2)) for kind in ("binary", "multiclass", "regression", "count")}
    return TaskSet([task for i in range(2) for kind in named for task in (named[kind][i],)])


def per_task(outputs: Tensor, tasks: TaskSet) -> list[Tensor]:
    """Cut a joint output ``[..., columns]`` into one ``[..., width]`` for each task."""
    found: dict[int, Tensor] = {}
    for group in tasks.groups:
        flat = outputs[..., group.columns]
        parts = flat.view(*flat.shape[:-1], len(group.index), group.width)
        found.update({t: parts[..., i, :] for i, t in enumerate(group.index)})
    return [found[t] for t in range(len(tasks))]


def joint_and_disjoint_agree(name: str) -> None:
    """What a joint row is given for task t, the same row is given with ``task = t``."""
    tasks, inputs = mixed_tasks(), make_inputs()
    task = torch.arange(ROWS) % len(tasks)
    for members in (1, 3):
        for numeric in ("linear", "bins", "piecewise", "periodic"):
            model = _model(name, tasks, members=members, numeric=numeric, specific=2, descriptor="attributes")
            joint = torch.stack(
                [
                    torch.nn.functional.pad(y, (0, tasks.width - y.shape[-1]))
                    for y in per_task(model(inputs), tasks)
                ]
            )
            expected = joint.movedim(0, -3)[..., task, torch.arange(ROWS), :]
            _close(model(inputs, task), expected, f"{name}, members {members}, {numeric}")


def permuting_tasks_permutes_outputs(name: str) -> None:
    """The order of tasks means nothing, not even to the initial weights."""
    tasks, inputs = mixed_tasks(), make_inputs()
    order = [5, 2, 7, 0, 3, 1, 6, 4]
    shuffled = TaskSet(tasks[i] for i in order)
    found = per_task(_model(name, tasks)(inputs), tasks)
    other = per_task(_model(name, shuffled)(inputs), shuffled)
    for place, task in enumerate(order):
        _close(other[place], found[task], name)


def seeds_decide(name: str) -> None:
    """The same seed gives the same model, another seed another; a state dict carries it over."""
    tasks, inputs = mixed_tasks(), make_inputs()
    one, same, other = _model(name, tasks), _model(name, tasks), _model(name, tasks, seed=1)
    assert torch.equal(one(inputs), same(inputs)), name
    assert not torch.allclose(one(inputs), other(inputs)), name
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(inputs), other(inputs)), name


def encoders_start_equal(name: str) -> None:
    """Structures that share the encoder start with the same one."""
    if not STRUCTURES[name].traits.shares_encoder:
        return
    encoder = _model(name, mixed_tasks()).encoder.state_dict()
    reference = _model("shared_bottom", mixed_tasks()).encoder.state_dict()
    assert all(torch.equal(encoder[key], value) for key, value in reference.items()), name


def low_precision_works(name: str) -> None:
    """Under bf16 autocast outputs are float32 and near, gradients finite, joint and disjoint."""
    tasks, inputs = mixed_tasks(), make_inputs()
    model = _model(name, tasks, importance=0.1, members=2)
    for task in (None, torch.arange(ROWS) % len(tasks)):
        with torch.autocast("cpu", torch.bfloat16):
            outputs = model(inputs, task)
        assert outputs.dtype == torch.float32, name
        _close(outputs, model(inputs, task), f"{name} in bf16", 0.1)
        grads = torch.autograd.grad(outputs.square().sum() + model.penalty(), list(model.parameters()))
        assert all(grad.isfinite().all() for grad in grads), name


def shards_make_the_whole(name: str) -> None:
    """Two halves of the rows, with equal generators, are given what the whole is given, drop-out included."""
    tasks, inputs = mixed_tasks(), make_inputs()
    model = _model(name, tasks, dropout=0.3, input_dropout=0.2, expert_dropout=0.3, members=2, specific=2)
    for task in (None, torch.arange(ROWS) % len(tasks)):
        whole = _sharded(model, inputs, task, 0, ROWS)
        halves = [_sharded(model, inputs, task, start, ROWS // 2) for start in (0, ROWS // 2)]
        _close(torch.cat(halves, 1), whole, f"{name} in halves")
        assert not torch.allclose(whole, model.eval()(inputs, task)), f"{name}: no drop-out"
        model.train()


def _sharded(
    model: nn.Module, inputs: dict[str, Tensor], task: Tensor | None, start: int, rows: int
) -> Tensor:
    here = slice(start, start + rows)
    with row_shard(RowShard(start, rows, ROWS, stream(0, "masks"))):
        found: Tensor = model(
            {key: value[here] for key, value in inputs.items()}, None if task is None else task[here]
        )
    return found


def conditional_means_unseen_tasks(name: str) -> None:
    """Conditional structures predict from a descriptor alone, and by it; all others refuse."""
    tasks, inputs = make_tasks("binary"), make_inputs()
    model = _model(name, tasks, descriptor="attributes")
    z = torch.linspace(-1, 1, 2 * ROWS).view(ROWS, 2)
    if not STRUCTURES[name].traits.conditional:
        try:
            model(inputs, descriptor=z)
        except ConfigError:
            return
        raise AssertionError(f"{name} is not conditional, but predicts from a descriptor alone")
    with torch.no_grad():  # descriptors may start without effect
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=stream(0, "noise")))
    assert not torch.allclose(model(inputs, descriptor=z), model(inputs, descriptor=z + 1)), name
    task = torch.arange(ROWS) % len(tasks)
    assert model.descriptors is not None
    _close(model(inputs, descriptor=model.descriptors[task]), model(inputs, task), name)


def gated_means_gates(name: str) -> None:
    """Gated structures report weights that sum to 1 for every task; all others report None."""
    tasks, inputs = mixed_tasks(), make_inputs()
    model = _model(name, tasks)
    for task in (None, torch.arange(ROWS) % len(tasks)):
        gates = model.gates(inputs, task)
        assert (gates is not None) == STRUCTURES[name].traits.gated, name
        if gates is not None:
            _close(gates.sum(1), torch.ones(len(tasks)), name)
    routed = any(True for _ in model.sharing.route_parameters())
    assert routed or not STRUCTURES[name].traits.gated, f"{name}: gates without parameters"


def soft_means_a_penalty(name: str) -> None:
    """Soft structures have a penalty on parameters, in proportion to `soft`; all others have none."""
    tasks, inputs = mixed_tasks(), make_inputs()
    found = []
    for factor in (1e-3, 2e-3):
        model = _model(name, tasks, soft=factor)
        model(inputs)
        found.append(model.penalty().detach())
        assert found[-1].shape == (), name
    assert (float(found[0]) > 0) == STRUCTURES[name].traits.soft, name
    _close(found[1], 2 * found[0], name)


def reads_all_means_other_tasks_networks(name: str) -> None:
    """A row of task t is given the same with other tasks beside it as without, unless rows read them all."""
    tasks, inputs = list(mixed_tasks()), make_inputs()
    first, z = torch.zeros(ROWS, dtype=torch.int64), torch.ones(ROWS, 2)
    models = (_model(name, TaskSet(some), descriptor="attributes") for some in (tasks[:1], tasks))
    alone, beside = (model(inputs, first, z).detach() for model in models)
    difference = (alone - beside[:, : alone.shape[1]]).abs().max()
    assert (float(difference) > 1e-5) == STRUCTURES[name].traits.reads_all, f"{name}: {difference}"


def shared_encoders_are_shared(name: str) -> None:
    """A shared encoder is as large as that of one task; encoders of their own are one for every task."""
    sizes = [
        sum(p.numel() for p in _model(name, TaskSet(tasks)).encoder.parameters())
        for tasks in (list(mixed_tasks())[:1], list(mixed_tasks())[:5])
    ]
    assert sizes[1] == (1 if STRUCTURES[name].traits.shares_encoder else 5) * sizes[0], name


def groups_hold_each_parameter_once(name: str) -> None:
    """`parameter_groups` has every parameter once, and gates learn at their own rate."""
    model = _model(name, mixed_tasks(), gate_rate=0.1)
    groups = model.parameter_groups()
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters()), name
    slow = {id(p) for group in groups if group["lr_factor"] == 0.1 for p in group["params"]}
    assert slow == {id(p) for p in model.sharing.route_parameters()}, name


def costs_can_be_matched(name: str) -> None:
    """Hidden widths are found at which the structure costs about what a shared bottom costs."""
    tasks = make_tasks("binary")
    wide = ModelOptions(hidden=(64,), experts=3)
    target = MultiTaskModel(tasks, SPEC, replace(wide, sharing="shared_bottom")).cost()
    for measure in ("parameters", "multiplications"):
        model = MultiTaskModel(tasks, SPEC, replace(wide, sharing=name, match=measure))
        found, aim = getattr(model.cost(), measure), getattr(target, measure)
        narrowest = model.options.hidden == (1,)
        assert narrowest or abs(found - aim) <= 0.1 * aim, f"{name}: {measure} {found} for {aim}"


STRUCTURE_CHECKS: dict[str, Callable[[str], None]] = {
    check.__name__: check
    for check in (
        joint_and_disjoint_agree,
        permuting_tasks_permutes_outputs,
        seeds_decide,
        encoders_start_equal,
        low_precision_works,
        shards_make_the_whole,
        conditional_means_unseen_tasks,
        gated_means_gates,
        soft_means_a_penalty,
        reads_all_means_other_tasks_networks,
        shared_encoders_are_shared,
        groups_hold_each_parameter_once,
        costs_can_be_matched,
    )
}
