"""Conflict-averse gradient descent."""

from __future__ import annotations

from typing import ClassVar

import torch
from scipy.optimize import brentq
from torch import Tensor

from sharewise.balance.options import not_negative
from sharewise.balance.solvers import RIDGE, min_norm_weights, scaled
from sharewise.balance.weighting import EXACT, Needs, Signals, Weighting, like

#: Lengths below this share of the mean gradient's are zero.
NOTHING = 1e-7
#: A square below this share of the sum of its terms' sizes is what rounding left of terms that cancel.
ROUNDING = 1e-14


class CAGrad(Weighting):
    """CAGrad (Liu et al. 2021, NeurIPS, algorithm 1, eq. 4): the best worst case near the mean gradient.

    max over d of minᵢ <gᵢ, d> with ‖d - g₀‖ ≤ c ‖g₀‖, g₀ the mean. Its dual min over the simplex of
    <g_w, g₀> + c ‖g₀‖ ‖g_w‖ has, for τ = ‖g_w‖ / (c ‖g₀‖), the solution of min ‖g_w + τ g₀‖: a shortest
    convex combination of shifted gradients; τ is found by a search on the line.
    d = g₀ + c ‖g₀‖ g_w / ‖g_w‖; where g_w vanishes (the point is Pareto stationary) it is g₀. No rescaling
    by 1 + c², which the authors' code has as an option.

    Args:
        c: radius; 0 is the mean gradient, and from 1 on no task is hurt.
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __init__(self, *, c: float = 0.5) -> None:
        self.c = not_negative("CAGrad", "c", c)

    def __call__(self, signals: Signals) -> Tensor:
        g, largest = scaled(signals.given_gramian)
        tasks = len(g)
        mean = torch.full((tasks,), 1 / tasks, dtype=EXACT)
        toward_mean = g @ mean
        radius = self.c * max(float(mean @ toward_mean), 0.0) ** 0.5
        if largest == 0 or radius == 0:
            return like(mean, signals.losses)

        problem = _Problem(g, toward_mean, float(mean @ toward_mean), radius)
        weights, length = problem.best(0.0)
        if length > NOTHING * radius / self.c:
            weights, length = problem.solve(weights, length / radius)
        if length <= NOTHING * radius / self.c:  # before, or only where it was looked at more closely
            return like(mean, signals.losses)
        return like(mean + radius / length * weights, signals.losses)


class _Problem:
    """The dual: the shift τ at which the shortest combination of shifted gradients has ‖g_w‖ = radius · τ."""

    def __init__(self, g: Tensor, toward_mean: Tensor, square: float, radius: float) -> None:
        self.g, self.toward, self.square, self.radius = g, toward_mean, square, radius

    def best(self, shift: float) -> tuple[Tensor, float]:
        """Return the weights at a shift, and ‖g_w‖; 0 if it is lost in rounding."""
        moved = self.g + shift * (self.toward[:, None] + self.toward) + shift**2 * self.square
        weights = min_norm_weights(moved)
        square, terms = float(weights @ self.g @ weights), float(weights @ self.g.abs() @ weights)
        return weights, square**0.5 if square > ROUNDING * terms else 0.0

    def solve(self, weights: Tensor, shift: float) -> tuple[Tensor, float]:
        """Return the weights and ‖g_w‖ at the τ wanted: from active set to active set, else by bisection."""
        for _ in range(12):
            weights, length = self.best(shift)
            if abs(length - self.radius * shift) <= 1e-10 * length:
                return weights, length
            moved = self._shift_on(weights > 0, shift)
            if moved is None:
                break
            shift = moved
        most = float(self.g.diagonal().max()) ** 0.5 / self.radius
        found = brentq(
            lambda s: self.best(s)[1] - self.radius * s, 0.0, 2 * most, xtol=1e-14 * most, rtol=1e-13
        )
        return self.best(found)

    def _shift_on(self, active: Tensor, near: float) -> float | None:
        """Return the τ wanted if these gradients stay the active ones: their weights are linear in τ."""
        count = int(active.sum())
        system = torch.zeros(count + 1, count + 1, dtype=EXACT)
        system[:count, :count] = self.g[active][:, active] + RIDGE * torch.eye(count, dtype=EXACT)
        system[:count, count] = system[count, :count] = 1
        right = torch.zeros(count + 1, 2, dtype=EXACT)
        right[count, 0], right[:count, 1] = 1, -self.toward[active]
        still, moving = torch.linalg.solve(system, right)[:count].T
        part = self.g[active][:, active]
        a, b = float(moving @ part @ moving) - self.radius**2, 2 * float(still @ part @ moving)
        c = float(still @ part @ still)
        inside = b * b - 4 * a * c
        if inside < 0 or a == 0:
            return None
        roots = [(-b + sign * inside**0.5) / (2 * a) for sign in (1, -1)]
        return min((r for r in roots if r > 0), key=lambda r: abs(r - near), default=None)
