"""H⁻¹v without H: iterations that ask for products with H only.

Many systems lie side by side in ``[systems, size]``, each with a symmetric matrix of its own, as iMAML has
one for every task; a hyper-gradient has one system. They do not touch each other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sharewise.errors import ConfigError, DivergedError

#: v ``[systems, size]`` -> Hv, row by row.
Product = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Solution:
    """What a solver came to; a failed solve is data, not an accident.

    Attributes:
        vector: ``[systems, size]``, close to H⁻¹ right.
        residual: ``[systems]`` |H vector - right| / |right|; 0 where right is 0.
        truncated: ``[systems]`` True where it stopped at a direction along which H does not curve upwards.
    """

    vector: Float[Tensor, "systems size"]
    residual: Float[Tensor, " systems"]
    truncated: Bool[Tensor, " systems"]


class Solver(ABC):
    """Solves Hv = right for every system."""

    @abstractmethod
    def solve(self, product: Product, right: Float[Tensor, "systems size"]) -> Solution:
        """Return the solution; `product` is asked for a vector of the shape of `right` at a time."""


@dataclass(frozen=True)
class ConjugateGradient(Solver):
    """Conjugate gradients (Hestenes & Stiefel 1952), as Pedregosa (2016) and iMAML's Algorithm 2 use them.

    Far from a minimum H may curve downwards, and plain conjugate gradients then blow up. So a system stops
    before such a direction and keeps what it has (truncated Newton: Steihaug 1983; Nocedal & Wright 2006,
    Algorithm 7.1); where it is the first direction, the solution is `right` itself, as if H were the identity
    (Luketina et al. 2016).

    Args:
        steps: at most so many products.
        tolerance: of the relative residual, at which a system stops; at the precision of its numbers it does
            in any case, as further directions are noise.
        least_curvature: of H along a direction of length 1, at and below which a system stops.

    Raises:
        ConfigError: for values that cannot be used.
    """

    steps: int = 20
    tolerance: float = 0.0
    least_curvature: float = 0.0

    def __post_init__(self) -> None:
        _check("steps", self.steps, self.steps >= 1, "a whole number from 1 on")
        for name in ("tolerance", "least_curvature"):
            value = getattr(self, name)
            _check(name, value, 0 <= value < float("inf"), "a finite number from 0 on")

    def solve(self, product: Product, right: Float[Tensor, "systems size"]) -> Solution:
        solution, residual, direction = torch.zeros_like(right), right, right
        size = _square(right)
        enough = max(self.tolerance, torch.finfo(right.dtype).eps) ** 2 * size
        going = size > 0
        truncated = torch.zeros_like(going)
        for number in range(self.steps):
            if not bool(going.any()):
                break
            along = product(direction)
            curvature = (direction * along).sum(1, keepdim=True)
            flat = going & ~(curvature > self.least_curvature * _square(direction))
            truncated, going = truncated | flat, going & ~flat
            if number == 0:
                solution = torch.where(flat, right, solution)
            step = torch.where(going, size / curvature, 0.0)
            solution, residual = solution + step * direction, residual - step * along
            after = _square(residual)
            going = going & (after > enough)
            direction = torch.where(going, residual + (after / size) * direction, direction)
            size = after
        return Solution(solution, _relative(residual, right), truncated[:, 0])


@dataclass(frozen=True)
class Neumann(Solver):
    """H⁻¹ = rate Σⱼ (I - rate H)ʲ, cut off (Lorraine, Vicol & Duvenaud 2020, Algorithm 3).

    At a minimum it equals going back through as many steps of gradient descent with that rate. It converges
    where 0 < H < 2 / rate.

    Args:
        terms: of the sum; the first costs no product.
        rate: small enough for the largest curvature.

    Raises:
        ConfigError: for values that cannot be used.
    """

    terms: int = 20
    rate: float = 0.01

    def __post_init__(self) -> None:
        _check("terms", self.terms, self.terms >= 1, "a whole number from 1 on")
        _check("rate", self.rate, 0 < self.rate < float("inf"), "a positive number")

    def solve(self, product: Product, right: Float[Tensor, "systems size"]) -> Solution:
        """Return the solution.

        Raises:
            DivergedError: if the terms grow.
        """
        term, total = right, right
        for _ in range(self.terms - 1):
            term = term - self.rate * product(term)
            total = total + term
        # What the terms so far leave of right: right - H total · rate is the next term.
        left = term - self.rate * product(term)
        if not bool((_square(left) <= _square(right) * (1 + 1e-6)).all()):
            raise DivergedError(
                f"The Neumann series with rate {self.rate:g} diverges: its terms grow.",
                "Lower its rate below 2 / the largest curvature of the inner loss, or damp the Hessian.",
            )
        return Solution(
            self.rate * total,
            _relative(left, right),
            torch.zeros(len(right), dtype=torch.bool, device=right.device),
        )


def _square(x: Tensor) -> Float[Tensor, "systems 1"]:
    return x.square().sum(1, keepdim=True)


def _relative(residual: Tensor, right: Tensor) -> Float[Tensor, " systems"]:
    length = _square(right)[:, 0].sqrt()
    found: Tensor = torch.where(length > 0, _square(residual)[:, 0].sqrt() / length, 0.0)
    return found


def _check(name: str, value: object, good: bool, what: str) -> None:
    if not good:
        raise ConfigError(f"Option '{name}' of the solver is {value}.", f"Use {what}.")
