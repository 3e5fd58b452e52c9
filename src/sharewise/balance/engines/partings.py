"""Partings of losses that have graphs of their own: a trunk, and a head a task, in anyone's own model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from sharewise.balance.engines.graph import Node, Parting


@dataclass(frozen=True)
class Own:
    """What one task alone depends on.

    Attributes:
        parameters: that only its loss depends on.
        gradients: of its loss, for each; None where it does not depend on one after all.
    """

    parameters: tuple[Tensor, ...]
    gradients: tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Parted:
    """The parts of the graph.

    Attributes:
        parting: where the tasks part.
        shared: parameters that several losses depend on.
        own: each task's.
    """

    parting: Parting | None
    shared: tuple[Tensor, ...]
    own: tuple[Own, ...]


def part(losses: Sequence[Tensor]) -> Parted:
    """Find what the losses share, and differentiate each of them down to there.

    Nobody is asked what is shared: a node of the graph that several losses depend on is. The graph is kept.
    """
    owner = owners(losses)
    entries: list[dict[tuple[Node, int], None]] = [{} for _ in losses]
    parameters: list[list[Tensor]] = [[] for _ in losses]
    shared: list[Tensor] = []
    for task, loss in enumerate(losses):
        root = get_gradient_edge(loss)
        if owner[root.node] < 0:  # another loss is computed from this one
            entries[task][(root.node, root.output_nr)] = None
    for node, task in owner.items():
        variable = getattr(node, "variable", None)
        if variable is not None:
            (shared if task < 0 else parameters[task]).append(variable)
        if task >= 0:
            for child, output in node.next_functions:
                if child is not None and owner[child] < 0:
                    entries[task][(child, output)] = None
    edges = list(dict.fromkeys(edge for entry in entries for edge in entry))
    rows, own = [], []
    with _cut_at(_above_others({node for node, _ in edges})):
        for loss, entry, mine in zip(losses, entries, parameters, strict=True):
            targets: list[Any] = [*(GradientEdge(*edge) for edge in entry), *mine]
            found: tuple[Tensor | None, ...] = (
                torch.autograd.grad(loss, targets, retain_graph=True, allow_unused=True) if targets else ()
            )
            rows.append(dict(zip(entry, found, strict=False)))
            own.append(Own(tuple(mine), tuple(found[len(entry) :])))
    parting = Parting(tuple(GradientEdge(*e) for e in edges), tuple(_stack(rows, e) for e in edges))
    return Parted(parting if edges else None, tuple(shared), tuple(own))


def owners(losses: Sequence[Tensor]) -> dict[Node, int]:
    """Return for every node the task whose loss alone depends on it, or -1 for nodes of several tasks."""
    found: dict[Node, int] = {}
    for task, loss in enumerate(losses):
        pending: list[Node] = [get_gradient_edge(loss).node]
        while pending:
            node = pending.pop()
            owner = found.get(node)
            if owner == task or owner == -1:
                continue
            found[node] = task if owner is None else -1
            pending.extend(child for child, _ in node.next_functions if child is not None)
    return found


def _above_others(nodes: set[Node]) -> list[Node]:
    """Return those of the nodes that are computed from another one of them."""
    found = []
    for node in nodes if len(nodes) > 1 else ():
        pending, seen = [child for child, _ in node.next_functions if child is not None], {node}
        while pending:
            child = pending.pop()
            if child in nodes:
                found.append(node)
                break
            if child not in seen:
                seen.add(child)
                pending.extend(below for below, _ in child.next_functions if below is not None)
    return found


@contextmanager
def _cut_at(nodes: Sequence[Node]) -> Iterator[None]:
    """Let nothing flow on below these nodes: what arrives at each is taken, and counts there alone."""
    handles = [node.register_prehook(_nothing) for node in nodes]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _nothing(gradients: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    return tuple(None if g is None else torch.zeros_like(g) for g in gradients)


def _stack(rows: list[dict[tuple[Node, int], Tensor | None]], edge: tuple[Node, int]) -> Tensor:
    found = [row.get(edge) for row in rows]
    like = next(g for g in found if g is not None)
    filled = [torch.zeros_like(like) if g is None else g for g in found]
    return torch.stack(filled, 1).transpose(0, 1) if like.dim() else torch.stack(filled)
