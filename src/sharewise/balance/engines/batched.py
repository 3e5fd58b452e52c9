"""The tasks' gradients in one backward pass over a dimension of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from sharewise.balance.engines.graph import Parting

Target = Tensor | GradientEdge


def gradients(parting: Parting, targets: Sequence[Target]) -> list[Tensor | None]:
    """Return every task's gradient of each target, ``[tasks, *shape]``; None where none depends on it.

    The graph is kept. One pass computes all tasks; operations that cannot (a function of the user's own
    without a batching rule) are differentiated task after task.
    """
    if not targets:
        return []
    if parting.tasks == 1:
        found = _pass(parting.edges, targets, [g[0] for g in parting.gradients], False)
        return [None if g is None else g.unsqueeze(0) for g in found]
    try:
        return _pass(parting.edges, targets, parting.gradients, True)
    except (RuntimeError, NotImplementedError):
        return _one_by_one(parting, targets)


def _one_by_one(parting: Parting, targets: Sequence[Target]) -> list[Tensor | None]:
    each = [
        _pass(parting.edges, targets, [g[task] for g in parting.gradients], False)
        for task in range(parting.tasks)
    ]
    return [_stack([found[i] for found in each]) for i in range(len(targets))]


def _stack(gradients: list[Tensor | None]) -> Tensor | None:
    present = [g for g in gradients if g is not None]
    if not present:
        return None
    return torch.stack([torch.zeros_like(present[0]) if g is None else g for g in gradients])


def _pass(
    edges: Sequence[GradientEdge], targets: Sequence[Target], values: Sequence[Tensor], batched: bool
) -> list[Tensor | None]:
    wanted: list[Any] = list(targets)  # of both sorts, which torch's types do not foresee
    found = torch.autograd.grad(
        edges, wanted, values, retain_graph=True, allow_unused=True, is_grads_batched=batched
    )
    return list(found)
