"""Implicit differentiation: at a minimum of the inner loss, the path to it does not matter."""

from __future__ import annotations

from collections.abc import Iterator
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
from sharewise.meta.solvers import ConjugateGradient, Solution, Solver


@dataclass(frozen=True)
class Implicit(Method):
    """Where ∂inner/∂φ = 0, the implicit function theorem gives

        d outer / dθ = ∂outer/∂θ - ∂outer/∂φ (H + δI)⁻¹ ∂²inner/∂φ∂θ,   H = ∂²inner/∂φ²

    (Pedregosa 2016, HOAG, with conjugate gradients; Lorraine, Vicol & Duvenaud 2020, Algorithm 2, with a
    Neumann series; iMAML's meta-gradient is this one with θ the centre of a prior). H is never
    built: a product with it is one more backward pass. Memory does not grow with the inner steps.

    It is the derivative of the *minimum*: wrong as far as the steps have not converged, and blind to learning
    rates, which do not move a minimum.

    Args:
        rule: how inner steps go.
        steps: taken before; 0 where φ is the minimum already.
        solver: of the linear system.
        damping: δ, for minima that are flat in some directions, as those of networks are.

    One more inner batch than `steps` is drawn: that of H and of the mixed derivative. The whole training
    split, where it fits, has no noise.

    Raises:
        ConfigError: for values that cannot be used.
    """

    rule: Rule = field(default_factory=Descent)
    steps: int = 0
    solver: Solver = field(default_factory=ConjugateGradient)
    damping: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ConfigError(f"Implicit differentiation takes {self.steps} steps.", "Use 0 or more.")
        if not 0 <= self.damping < float("inf"):
            raise ConfigError(f"The damping is {self.damping}.", "Use a finite number from 0 on.")

    def differentiate(
        self, problem: Bilevel[B], start: State | None, theta: Values, inner: Iterator[B], outer: B
    ) -> HyperGradient:
        state = self.begin(problem, theta) if start is None else start
        for number in range(self.steps):
            state, _ = advance(problem, self.rule, state, theta, take(inner, number), graph=False)
        judged, by_phi, direct = outer_gradient(problem, state[0], theta, outer)
        batch: B = take(inner, self.steps)
        loss, solution, mixed = self._through(problem, state[0], theta, batch, list(by_phi.values()))
        remedy = (
            "Let the inner or the outer loss read it. A learning rate or a start does not move the minimum: "
            "use Unrolled for these."
        )
        gradient = settled(add(direct, mixed), theta, remedy)
        return HyperGradient(gradient, judged.item(), loss.item(), state, solution)

    def _through(
        self, problem: Bilevel[B], phi: Weights, theta: Values, batch: B, right: list[Tensor]
    ) -> tuple[Tensor, Solution, Found]:
        """Return the inner loss, (H + δI)⁻¹ right, and minus its product with the mixed derivative."""
        with torch.enable_grad():
            point, own = leaves(phi), leaves(theta)
            loss = problem.inner_loss(point, own, batch)
            values = list(point.values())
            slope = torch.autograd.grad(loss, values, create_graph=True, materialize_grads=True)
        bent = [(x, i) for i, x in enumerate(slope) if x.requires_grad]
        if not bent:
            raise ConfigError(
                "The inner loss is linear in all weights.", "It needs a minimum: add weight decay."
            )

        def pull(vector: list[Tensor], inputs: list[Tensor]) -> tuple[Tensor | None, ...]:
            return torch.autograd.grad(
                [x for x, _ in bent],
                inputs,
                [vector[i] for _, i in bent],
                retain_graph=True,
                allow_unused=True,
            )

        def product(flat: Tensor) -> Tensor:
            found = pull(_apart(flat, values), values)
            whole = [torch.zeros_like(x) if g is None else g for x, g in zip(values, found, strict=True)]
            return _flat(whole) + self.damping * flat

        solution = self.solver.solve(product, _flat(right))
        mixed = pull(_apart(solution.vector, values), list(own.values()))
        return (
            loss.detach(),
            solution,
            {n: None if g is None else -g for n, g in zip(own, mixed, strict=True)},
        )


def _flat(values: list[Tensor]) -> Tensor:
    """Return one system, ``[1, size]``."""
    return torch.cat([value.reshape(-1) for value in values]).unsqueeze(0)


def _apart(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    parts = torch.split(flat[0], [value.numel() for value in like])
    return [part.view_as(value) for part, value in zip(parts, like, strict=True)]
