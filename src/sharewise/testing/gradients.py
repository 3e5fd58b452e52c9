"""What balancing asks of a structure: parameters that are one task's own, and engines that agree."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sharewise.balance.engines import ENGINES, Exact, Scene
from sharewise.balance.engines.batched import gradients
from sharewise.balance.engines.graph import Parting, stacked_parting
from sharewise.nn import MultiTaskModel
from sharewise.testing.toys import ROWS, SMALL, SPEC, Case, Toy, make_toy

#: Variations of a structure that move parameters between own and shared.
CHANGES: tuple[dict[str, object], ...] = (
    {"numeric": "bins"},
    {"tower": ()},
    {"descriptor": "attributes"},
    {"members": 2},
    {"levels": 3},
)
#: Engines may differ from `Exact` by this much of the largest entry.
TOLERANCE = 1e-5


def _task_losses(model: MultiTaskModel, toy: Toy) -> Tensor:
    """Return the tasks' losses ``[tasks]``; labels are missing for some rows only."""
    outputs = model(toy.inputs, toy.task)
    kind, width, tasks = toy.tasks[0].kind, toy.tasks.width, len(toy.tasks)
    losses = torch.where(toy.mask, kind.loss(outputs.view(*toy.targets.shape, width), toy.targets), 0.0)
    if toy.task is None:
        return losses.mean(0)
    return losses.new_zeros(tasks).index_add(0, toy.task, losses) / ROWS


def _model(case: Case, toy: Toy, **changes: object) -> MultiTaskModel:
    options = replace(SMALL, sharing=case.structure, **changes)  # type: ignore[arg-type]
    model = MultiTaskModel(toy.tasks, SPEC, options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # away from the zeros that some parameters start at
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def own_parameters_are_own(case: Case) -> None:
    """No entry of an own parameter has gradients of two tasks; every shared parameter has such an entry."""
    toy = make_toy(case)
    for changes in (
        {"numeric": "bins"},
        {"tower": ()},
        {"descriptor": "attributes"},
        {"members": 2},
        {"levels": 3},
    ):
        if changes.get("members") and case.shape == "disjoint":
            continue
        model = _model(case, toy, **changes)
        model.eval()
        losses = _members_mean(model, toy) if changes.get("members") else _task_losses(model, toy)
        named = list(model.named_parameters())
        own = {id(p) for p in model.own_parameters()}
        shared = {id(p) for p in model.shared_parameters()}
        assert own | shared == {id(p) for _, p in named}, f"{case}: a parameter is neither own nor shared"
        assert not own & shared, f"{case}: a parameter is both own and shared"
        found = gradients(stacked_parting(losses), [p for _, p in named])
        for (name, parameter), gradient in zip(named, found, strict=True):
            most = 0 if gradient is None else int((gradient.flatten(1) != 0).sum(0).max())
            if id(parameter) in own:
                assert most <= 1, f"{case} {changes}: {name} is not one task's own"
            elif case.shape == "joint" and not case.missing:
                assert most >= 2, f"{case} {changes}: {name} is not shared"


def _members_mean(model: MultiTaskModel, toy: Toy) -> Tensor:
    kind, width = toy.tasks[0].kind, toy.tasks.width
    outputs = model(toy.inputs)
    targets = toy.targets.expand(len(outputs), *toy.targets.shape)
    losses = kind.loss(outputs.view(*targets.shape, width), targets)
    return torch.where(toy.mask, losses, 0.0).mean((0, 1))


def engines_agree(case: Case) -> None:
    """Complete engines give the exact Gramian for every numeric embedding; all give a positive one."""
    toy = make_toy(case)
    for numeric in ("piecewise", "bins", "periodic", "linear"):
        model = _model(case, toy, numeric=numeric)
        shared = model.shared_parameters()
        if not shared:
            continue
        losses = _task_losses(model, toy)
        scene = Scene(stacked_parting(losses), shared)
        exact = Exact().gramian(scene)
        for name, engine in ENGINES.items():
            found = engine().gramian(scene)
            if engine.complete:
                far = float((found - exact).abs().max() / exact.abs().max())
                assert far <= TOLERANCE, f"{case} {numeric}: {name} is off by {far:.2g}"
            least = float(torch.linalg.eigvalsh(found.double())[0])
            assert least >= -TOLERANCE * float(found.abs().max()), f"{case} {numeric}: {name} is not positive"


def partings_agree(case: Case) -> None:
    """Gradients followed from where the model says that tasks part are those followed from the losses."""
    toy = make_toy(case)
    for changes in ({}, {"tower": ()}, {"descriptor": "attributes"}, {"expert_dropout": 0.3}):
        model = _model(case, toy, **changes)
        shared = model.shared_parameters()
        if not shared:
            continue
        with model.parted():
            losses = _task_losses(model, toy)
        exact = Exact().gramian(Scene(stacked_parting(losses), shared))
        found = model.parting(losses)
        if found is None:
            conditional = model.options.heads_per_kind
            assert case.shape == "disjoint" or conditional, f"{case}: the model does not say where tasks part"
            continue
        edges = tuple(torch.autograd.graph.get_gradient_edge(tensor) for tensor, _ in found)
        parting = Parting(edges, tuple(g for _, g in found))
        parted = Exact().gramian(Scene(parting, shared))
        far = float((parted - exact).abs().max() / exact.abs().max())
        assert far <= TOLERANCE, f"{case} {changes}: off by {far:.2g}"
        weights = torch.linspace(0.5, 1.5, len(losses))
        whole = torch.autograd.grad(losses, shared, weights, retain_graph=True)
        for one, other in zip(
            whole, torch.autograd.grad(edges, shared, parting.weighted(weights)), strict=True
        ):
            off = float((one - other).abs().max() / one.abs().max().clamp(min=1e-8))
            assert off <= 10 * TOLERANCE, f"{case} {changes}: a weighted gradient is off by {off:.2g}"


#: By name.
GRADIENT_CHECKS = {
    "own parameters are one task's": own_parameters_are_own,
    "engines agree": engines_agree,
    "partings agree": partings_agree,
}
