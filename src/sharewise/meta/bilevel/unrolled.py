"""Unrolled differentiation: back through the inner steps, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sharewise.errors import ConfigError
from sharewise.meta.bilevel.gradient import (
    Found,
    HyperGradient,
    Method,
    add,
    advance,
    leaves,
    outer_gradient,
    settled,
    take,
)
from sharewise.meta.bilevel.problem import B, Bilevel, Values, Weights
from sharewise.meta.bilevel.rules import Descent, Rule, State


@dataclass(frozen=True)
class Unrolled(Method):
    """Reverse mode through the steps: Maclaurin et al. 2015, Reverse-HG (Franceschi et al. 2017, Alg. 1).

    With sₜ = Φ(sₜ₋₁, θ) a step and α_T = ∂outer/∂s_T,

        g ← ∂outer/∂θ;   for t = T, ..., 1:   g ← g + αₜ ∂Φ/∂θ,   αₜ₋₁ = αₜ ∂Φ/∂s.

    It is the exact derivative of what the steps do, converged or not, and the only one that knows learning
    rates. States are kept, graphs are not: a step is computed again when it is its turn to be differentiated.
    Memory is one graph and the states of the steps that are gone back through.

    `truncate` goes back through the last steps only (Shaban et al. 2019): the sum above stopped
    early, for less time and memory; the part left out falls geometrically near a minimum.

    Args:
        rule: how a step goes.
        steps: T.
        truncate: steps to go back through; all if None.

    Raises:
        ConfigError: for values that cannot be used.
    """

    rule: Rule = field(default_factory=Descent)
    steps: int = 10
    truncate: int | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"Unrolling takes {self.steps} steps.", "Use at least 1.")
        if self.truncate is not None and not 1 <= self.truncate <= self.steps:
            raise ConfigError(
                f"{self.truncate} of {self.steps} steps are gone back through.", f"Use 1 to {self.steps}."
            )

    def differentiate(
        self, problem: Bilevel[B], start: State | None, theta: Values, inner: Iterator[B], outer: B
    ) -> HyperGradient:
        state = self.begin(problem, theta) if start is None else start
        kept = self.steps if self.truncate is None else self.truncate
        trail: list[tuple[State, B]] = []
        loss = torch.zeros(())
        for number in range(self.steps):
            batch: B = take(inner, number)
            if number >= self.steps - kept:
                trail.append((state, batch))
            state, loss = advance(problem, self.rule, state, theta, batch, graph=False)
        judged, by_phi, total = outer_gradient(problem, state[0], theta, outer)
        adjoint = [*by_phi.values(), *(torch.zeros_like(v) for own in state[1:] for v in own.values())]
        while trail:
            adjoint, part = self._back(problem, *trail.pop(), theta, adjoint)
            total = add(total, part)
        if start is None and problem.start is not None and kept == self.steps:
            total = add(total, _from_start(problem.start, theta, adjoint))
        remedy = "Let the inner loss, the outer loss or the rule read it, without detaching it."
        return HyperGradient(settled(total, theta, remedy), judged.item(), loss.item(), state)

    def _back(
        self, problem: Bilevel[B], before: State, batch: B, theta: Values, adjoint: list[Tensor]
    ) -> tuple[list[Tensor], Found]:
        """Return the adjoint of the state before a step, and the step's part of the hyper-gradient."""
        state, own = tuple(leaves(part) for part in before), leaves(theta)
        after, _ = advance(problem, self.rule, state, own, batch, graph=True)
        inputs = [value for part in state for value in part.values()]
        found = pulled(_flat(after), [*inputs, *own.values()], adjoint)
        back = [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=False)]
        return back, dict(zip(own, found[len(inputs) :], strict=True))


def pulled(outputs: list[Tensor], inputs: list[Tensor], adjoint: list[Tensor]) -> tuple[Tensor | None, ...]:
    """Return adjointᵀ ∂outputs/∂inputs; None where nothing depends on an input."""
    pairs = [(x, a) for x, a in zip(outputs, adjoint, strict=True) if x.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    return torch.autograd.grad([x for x, _ in pairs], inputs, [a for _, a in pairs], allow_unused=True)


def _flat(state: State) -> list[Tensor]:
    return [value for part in state for value in part.values()]


def _from_start(begin: Callable[[Values], Weights], theta: Values, adjoint: list[Tensor]) -> Found:
    with torch.enable_grad():
        own = leaves(theta)
        phi = list(begin(own).values())
    return dict(zip(own, pulled(phi, list(own.values()), adjoint[: len(phi)]), strict=True))
