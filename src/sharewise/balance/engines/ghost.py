"""Ghost engines: the same Gramian from saved inputs and output gradients, or that of the last layer alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.graph import GradientEdge

from sharewise.balance.engines.batched import gradients
from sharewise.balance.engines.engine import Engine, Scene
from sharewise.balance.engines.graph import Graph, Node
from sharewise.balance.engines.rules import Ghost, ghost_of


class GhostGramian(Engine):
    """G of all shared parameters, the large ones by the rules of `rules`.

    One backward pass over a dimension of tasks goes through the activations only: it skips the products that
    give the gradients of the weights, which are most of a Jacobian's memory and, with few rows, of its work.
    A parameter that enters several operations, or one without a rule, is differentiated task by task in the
    same pass; there is nothing to choose.
    """

    def gramian(self, scene: Scene) -> Float[Tensor, "tasks tasks"]:
        graph = Graph(edge.node for edge in scene.parting.edges)
        return _gramian(scene, graph, scene.shared)


class LastShared(Engine):
    """G over the last shared layers: the shared parameters that no other shared parameter comes after.

    Cheap, since nothing is differentiated below them; an approximation. On a multi-layer perceptron its
    cosines correlate with those of all shared parameters by 0.85 to 0.89.
    """

    complete: ClassVar[bool] = False

    def gramian(self, scene: Scene) -> Float[Tensor, "tasks tasks"]:
        graph = Graph(edge.node for edge in scene.parting.edges)
        return _gramian(scene, graph, last_shared(graph, scene.shared))


def last_shared(graph: Graph, shared: Sequence[Tensor]) -> list[Tensor]:
    """Return the shared parameters of the operations that no operation with a shared parameter follows."""
    entered = {id(p): graph.uses(p) for p in shared if graph.reaches(p)}
    operations: set[Node] = {use.node for uses in entered.values() for use in uses}
    below = graph.below(operations)
    return [
        p
        for p in shared
        if graph.leaves_above(p) or any(use.node not in below for use in entered.get(id(p), ()))
    ]


@torch.no_grad()
def _gramian(scene: Scene, graph: Graph, parameters: Sequence[Tensor]) -> Float[Tensor, "tasks tasks"]:
    ghosts: list[tuple[GradientEdge, Ghost]] = []
    rest: list[Tensor] = []
    for parameter in parameters:
        use = graph.only_use(parameter)
        ghost = None if use is None else ghost_of(use)
        if use is None or ghost is None:
            rest.append(parameter)
        else:
            ghosts.append((GradientEdge(use.node, 0), ghost))
    found = gradients(scene.parting, [*(edge for edge, _ in ghosts), *rest])
    tasks = scene.parting.tasks
    total = torch.zeros(tasks, tasks, device=scene.parting.gradients[0].device)
    for (_, ghost), g in zip(ghosts, found, strict=False):
        if g is not None:
            total += _from_ghost(scene, ghost, g)
    for parameter, g in zip(rest, found[len(ghosts) :], strict=True):
        block = parameter.new_zeros(tasks, parameter.numel()) if g is None else g.reshape(tasks, -1).float()
        block = scene.sum(block)
        total += block @ block.T
    return total


def _from_ghost(scene: Scene, ghost: Ghost, g: Tensor) -> Tensor:
    if scene.reduce is None:
        return ghost(g).gramian().float()
    block = scene.sum(ghost(g).jacobian().float())  # processes hold other rows: only Jacobians add up
    return block @ block.T
