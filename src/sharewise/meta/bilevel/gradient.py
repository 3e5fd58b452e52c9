"""hyper_gradient: d outer(φ(θ), θ) / dθ, by a method; and what all methods have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sharewise.errors import ConfigError, DivergedError
from sharewise.meta.bilevel.problem import B, Bilevel, Values, Weights, check_theta
from sharewise.meta.bilevel.rules import Rule, State
from sharewise.meta.solvers import Solution

#: Gradients by θ's names; None where nothing depends on it.
Found = dict[str, Tensor | None]


@dataclass(frozen=True)
class HyperGradient:
    """What a method found.

    Attributes:
        gradient: of the outer loss by θ's values, of their shapes.
        loss: the outer loss, after the inner steps.
        inner_loss: the inner loss of the last batch that was looked at.
        state: after the inner steps; its first entry are the weights.
        solution: of the linear system, for implicit differentiation.
    """

    gradient: dict[str, Tensor]
    loss: float
    inner_loss: float
    state: State
    solution: Solution | None = None

    @property
    def phi(self) -> Weights:
        """The weights after the inner steps."""
        return self.state[0]


class Method(ABC):
    """Takes inner steps and differentiates the outer loss after them."""

    rule: Rule
    steps: int

    @abstractmethod
    def differentiate(
        self, problem: Bilevel[B], start: State | None, theta: Values, inner: Iterator[B], outer: B
    ) -> HyperGradient:
        """Return the hyper-gradient.

        Args:
            problem: to differentiate.
            start: the state to take steps from; None for the problem's own, differentiated too.
            theta: values, without gradients.
            inner: a batch for every step, and one more where the method says so.
            outer: the batch of the outer loss.
        """

    def begin(self, problem: Bilevel[B], theta: Values) -> State:
        """Return the state that the problem itself starts from; ConfigError if it says none."""
        if problem.start is None:
            raise ConfigError("There are no weights to start from.", "Give phi, or the problem a start.")
        with torch.no_grad():
            return self.rule.start({name: value.detach() for name, value in problem.start(theta).items()})


def hyper_gradient(
    problem: Bilevel[B],
    phi: Weights | None,
    theta: Mapping[str, Tensor],
    method: Method,
    *,
    inner: Iterable[B],
    outer: B,
) -> HyperGradient:
    """Return d outer(φ(θ), θ) / dθ, where φ(θ) is where inner steps lead.

    Args:
        problem: the two losses.
        phi: weights to take steps from, not changed; None to begin at ``problem.start(theta)`` and to count
            how that depends on θ.
        theta: values by name, of floating point.
        method: `Unrolled` or `Implicit`.
        inner: a batch for every inner step (`itertools.repeat` for one and the same).
        outer: the batch of the outer loss.

    Raises:
        ConfigError: if a loss is not a scalar, the outer loss does not depend on a θ in any way, or batches
            run out.
        DivergedError: if a loss or a gradient is not finite.
    """
    check_theta(theta)
    start = None
    if phi is not None:
        start = method.rule.start({name: value.detach() for name, value in phi.items()})
    values = {name: value.detach() for name, value in theta.items()}
    return method.differentiate(problem, start, values, iter(inner), outer)


def take(batches: Iterator[Any], number: int) -> Any:
    """Return the next inner batch; ConfigError if there is none."""
    for batch in batches:
        return batch
    raise ConfigError(
        f"The inner batches ran out after {number}.", "Give one for every inner step, for every round."
    )


def leaves(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors as leaves to differentiate by."""
    return {name: value.detach().requires_grad_() for name, value in values.items()}


def advance(
    problem: Bilevel[B], rule: Rule, state: State, theta: Values, batch: B, *, graph: bool
) -> tuple[State, Tensor]:
    """Take one inner step; return the state after it and the loss before it.

    Args:
        problem: whose inner loss is gone down.
        rule: how.
        state: with `graph`, of leaves that require gradients, else of constants.
        theta: with `graph`, leaves.
        batch: of the step.
        graph: keep what is needed to differentiate the step.
    """
    with torch.enable_grad():
        phi = state[0] if graph else leaves(state[0])
        loss = problem.inner_loss(phi, theta, batch)
        if not loss.requires_grad:
            raise ConfigError(
                "The inner loss does not depend on the weights.",
                "Compute it from the weights that it is called with, and do not detach it.",
            )
        each = torch.autograd.grad(loss, list(phi.values()), create_graph=graph, allow_unused=True)
    with torch.set_grad_enabled(graph):
        gradient = {
            name: torch.zeros_like(value) if own is None else own
            for (name, value), own in zip(phi.items(), each, strict=True)
        }
        return rule.step(state, gradient, theta), loss.detach()


def outer_gradient(
    problem: Bilevel[B], phi: Weights, theta: Values, batch: B
) -> tuple[Tensor, Weights, Found]:
    """Return the outer loss and its gradients by φ and, directly, by θ.

    Raises:
        ConfigError: if it does not depend on φ at all.
    """
    with torch.enable_grad():
        phi, theta = leaves(phi), leaves(theta)
        loss = problem.outer_loss(phi, theta, batch)
        if not loss.requires_grad:
            raise ConfigError(
                "The outer loss depends neither on the weights nor on any hyper-parameter.",
                "Compute it from the weights that it is called with.",
            )
        found = torch.autograd.grad(loss, [*phi.values(), *theta.values()], allow_unused=True)
    if all(own is None for own in found[: len(phi)]):
        raise ConfigError(
            "The outer loss does not depend on the weights.",
            "Compute it from the weights that it is called with, without detaching them.",
        )
    by_phi = {
        name: torch.zeros_like(value) if own is None else own
        for (name, value), own in zip(phi.items(), found, strict=False)
    }
    return loss.detach(), by_phi, dict(zip(theta, found[len(phi) :], strict=True))


def add(total: Found, part: Found) -> Found:
    """Return the sum of two parts of the hyper-gradient."""
    return {name: _sum(own, part[name]) for name, own in total.items()}


def _sum(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other


def settled(found: Found, theta: Values, remedy: str) -> dict[str, Tensor]:
    """Return the gradients; ConfigError names a θ that nothing depends on, DivergedError one not finite."""
    for name, own in found.items():
        if own is None:
            raise ConfigError(
                f"The outer loss does not depend on the hyper-parameter '{name}' in any way.", remedy
            )
        if not bool(own.isfinite().all()):
            raise DivergedError(
                f"The hyper-gradient of '{name}' is not finite.",
                "Lower the inner learning rate, take fewer steps, or damp the Hessian.",
            )
    return {name: own.detach().expand_as(theta[name]) for name, own in found.items() if own is not None}
