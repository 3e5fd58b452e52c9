"""The autograd graph of the losses: where tasks part, which parameters they share, what consumes each one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

#: A node of the graph. Each kind has saved tensors of its own, which no type says.
Node = Any

#: Nodes through which a parameter passes unchanged but for the order of its entries, a cast, or the choice of
#: some of them: inner products of gradients are the same before and after.
VIEWS = frozenset(
    f"{name}Backward0"
    for name in [
        "Alias",
        "Permute",
        "Reshape",
        "ReshapeAlias",
        "Select",
        "Slice",
        "Squeeze",
        "T",
        "ToCopy",
        "Transpose",
        "Unsqueeze",
        "UnsafeView",
        "View",
    ]
)


@dataclass(frozen=True)
class Parting:
    """Where the computation that tasks share ends, and what each task's loss asks of it.

    Attributes:
        edges: results of the shared computation that tasks go on from.
        gradients: for each edge ``[tasks, *shape]``: the gradients of every task's loss.
    """

    edges: tuple[GradientEdge, ...]
    gradients: tuple[Tensor, ...]

    @property
    def tasks(self) -> int:
        return len(self.gradients[0])

    def weighted(self, weights: Tensor) -> tuple[Tensor, ...]:
        """Return each edge's gradient of the weighted sum of the losses."""
        return tuple(torch.einsum("t,t...->...", weights.to(g), g) for g in self.gradients)


@dataclass(frozen=True)
class Use:
    """An operation that a parameter enters.

    Attributes:
        node: of the operation.
        operand: which of its inputs the parameter is, in the order of the node's `next_functions`.
    """

    node: Node
    operand: int


class Graph:
    """The part of the graph below some nodes, with its arrows turned round.

    Args:
        roots: nodes to start from; they belong to it.
    """

    def __init__(self, roots: Iterable[Node]) -> None:
        self.consumers: dict[Node, list[Use]] = {}
        self.leaves: dict[int, Node] = {}
        pending = list(dict.fromkeys(roots))
        self._roots = frozenset(pending)
        seen = set(pending)
        while pending:
            node = pending.pop()
            variable = getattr(node, "variable", None)
            if variable is not None:
                self.leaves[id(variable)] = node
            for operand, (child, _) in enumerate(node.next_functions):
                if child is None:
                    continue
                self.consumers.setdefault(child, []).append(Use(node, operand))
                if child not in seen:
                    seen.add(child)
                    pending.append(child)

    def only_use(self, parameter: Tensor) -> Use | None:
        """Return the operation that a parameter enters, past views; None unless it is one."""
        uses = self.uses(parameter)
        return uses[0] if len(uses) == 1 and not self.leaves_above(parameter) else None

    def leaves_above(self, parameter: Tensor) -> bool:
        """Return whether something above this part of the graph reads the parameter too, or a view of it."""
        return any(node in self._roots for node in self._faces(parameter))

    def uses(self, parameter: Tensor) -> list[Use]:
        """Return the operations that a parameter enters, past views."""
        every = (use for node in self._faces(parameter) for use in self.consumers.get(node, ()))
        return [use for use in every if use.node.name() not in VIEWS]

    def _faces(self, parameter: Tensor) -> list[Node]:
        """Return the parameter's node and those of its views."""
        found = [self.leaves[id(parameter)]] if self.reaches(parameter) else []
        for node in found:  # grows as it goes
            found += [u.node for u in self.consumers.get(node, ()) if u.node.name() in VIEWS]
        return found

    def below(self, nodes: Iterable[Node]) -> set[Node]:
        """Return all that some of these nodes depend on; a node itself only if another depends on it."""
        found: set[Node] = set()
        pending = list(nodes)
        while pending:
            for child, _ in pending.pop().next_functions:
                if child is not None and child not in found:
                    found.add(child)
                    pending.append(child)
        return found

    def reaches(self, parameter: Tensor) -> bool:
        """Return whether the parameter takes part."""
        return id(parameter) in self.leaves


def stacked_parting(losses: Tensor, index: Tensor | None = None) -> Parting:
    """Return the parting of losses that were computed together, ``[tasks]``: at the losses themselves.

    Args:
        losses: of all tasks.
        index: the tasks to tell apart; all of them by default.
    """
    each = torch.eye(len(losses), device=losses.device, dtype=losses.dtype)
    return Parting(
        (torch.autograd.graph.get_gradient_edge(losses),), (each if index is None else each[index],)
    )
