"""How an inner step goes, as a differentiable function of weights, gradient and θ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from sharewise.errors import ConfigError, nearest
from sharewise.meta.bilevel.problem import Values, Weights

#: The weights first, then what a rule remembers, under the same names.
State = tuple[Weights, ...]


@dataclass(frozen=True)
class Rule(ABC):
    """A rule of descent.

    Args:
        rate: a number, or the name of the θ that holds it: one for all, or ``[weights]``, one for each of φ's
            tensors in order.

    Raises:
        ConfigError: for values that cannot be used.
    """

    rate: float | str = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.rate, str) and not 0 < self.rate < float("inf"):
            raise ConfigError(f"The inner learning rate is {self.rate}.", "Use a positive number.")

    @abstractmethod
    def start(self, phi: Weights) -> State:
        """Return the state before the first step."""

    @abstractmethod
    def step(self, state: State, gradient: Weights, theta: Values) -> State:
        """Return the state after a step."""

    def rates(self, phi: Weights, theta: Values) -> dict[str, Tensor | float]:
        """Return every weight's learning rate."""
        if not isinstance(self.rate, str):
            return dict.fromkeys(phi, self.rate)
        if self.rate not in theta:
            raise ConfigError(
                f"The inner learning rate is to be θ's '{self.rate}', which is not there.",
                nearest(self.rate, tuple(theta)),
            )
        own = theta[self.rate]
        if own.dim() and own.shape != (len(phi),):
            raise ConfigError(
                f"There are learning rates of shape {tuple(own.shape)} for {len(phi)} weights.",
                "Give one for all, or one for each.",
            )
        return dict(zip(phi, own.unbind() if own.dim() else [own] * len(phi), strict=True))


@dataclass(frozen=True)
class Descent(Rule):
    """Gradient descent with momentum: v' = μ v + ∇, φ' = φ - η v' (as `torch.optim.SGD`).

    Args:
        momentum: μ, from 0 to less than 1.
    """

    momentum: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"The inner momentum is {self.momentum}.", "Use at least 0 and less than 1.")

    def start(self, phi: Weights) -> State:
        return (phi, _zeros(phi)) if self.momentum else (phi,)

    def step(self, state: State, gradient: Weights, theta: Values) -> State:
        phi, rates = state[0], self.rates(state[0], theta)
        speed = gradient
        if self.momentum:
            speed = {name: self.momentum * state[1][name] + value for name, value in gradient.items()}
        moved = {name: value - rates[name] * speed[name] for name, value in phi.items()}
        return (moved, speed) if self.momentum else (moved,)


@dataclass(frozen=True)
class Adam(Rule):
    """Adam (Kingma & Ba 2015), with ε under the root, so that it has a derivative where a gradient is 0.

    Args:
        rate: as in `Rule`.
        betas: of the two moments.
        epsilon: ε: φ' = φ - η m / √(v + ε²), moments corrected for their start.
    """

    rate: float | str = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-6

    def start(self, phi: Weights) -> State:
        count = {name: value.new_zeros(()) for name, value in phi.items()}
        return phi, _zeros(phi), _zeros(phi), count

    def step(self, state: State, gradient: Weights, theta: Values) -> State:
        phi, first, second, count = state
        rates, (one, two) = self.rates(phi, theta), self.betas
        first = {name: one * first[name] + (1 - one) * value for name, value in gradient.items()}
        second = {name: two * second[name] + (1 - two) * value.square() for name, value in gradient.items()}
        count = {name: value + 1 for name, value in count.items()}
        moved = {}
        for name, value in phi.items():
            mean = first[name] / (1 - one ** count[name])
            square = second[name] / (1 - two ** count[name])
            moved[name] = value - rates[name] * mean / torch.sqrt(square + self.epsilon**2)
        return moved, first, second, count


def _zeros(phi: Weights) -> Weights:
    return {name: torch.zeros_like(value) for name, value in phi.items()}
