"""How an inner step goes, as a differentiable function of weights, gradient and θ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from sharewise.errors import ConfigError, nearest
from sharewise.meta.bilevel.problem import Values, Weights

#: The weights first, then what a rule remembers, such as moments: flat, over all weights.
State = tuple[Weights, ...]
#: The name of what a rule remembers.
FLAT = "flat"


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

    def rates(self, phi: Weights, theta: Values) -> Tensor | float:
        """Return the learning rate: of all weights, or flat, of each."""
        if not isinstance(self.rate, str):
            return self.rate
        if self.rate not in theta:
            raise ConfigError(
                f"The inner learning rate is to be θ's '{self.rate}', which is not there.",
                nearest(self.rate, tuple(theta)),
            )
        own = theta[self.rate]
        if not own.dim():
            return own
        if own.shape != (len(phi),):
            raise ConfigError(
                f"There are learning rates of shape {tuple(own.shape)} for {len(phi)} weights.",
                "Give one for all, or one for each.",
            )
        sizes = torch.tensor([value.numel() for value in phi.values()], device=own.device)
        return own.repeat_interleave(sizes)


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
        return (phi, {FLAT: torch.zeros_like(flat(phi))}) if self.momentum else (phi,)

    def step(self, state: State, gradient: Weights, theta: Values) -> State:
        phi, speed = state[0], flat(gradient)
        if self.momentum:
            speed = self.momentum * state[1][FLAT] + speed
        moved = apart(flat(phi) - self.rates(phi, theta) * speed, phi)
        return (moved, {FLAT: speed}) if self.momentum else (moved,)


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

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"The inner Adam's betas are {self.betas}.", "Use at least 0 and less than 1.")
        if not 0 < self.epsilon < float("inf"):
            raise ConfigError(f"The inner Adam's epsilon is {self.epsilon}.", "Use a positive number.")

    def start(self, phi: Weights) -> State:
        zeros = torch.zeros_like(flat(phi))
        return phi, {FLAT: zeros}, {FLAT: zeros}, {FLAT: zeros.new_zeros(())}

    def step(self, state: State, gradient: Weights, theta: Values) -> State:
        phi, (one, two), slope = state[0], self.betas, flat(gradient)
        first = one * state[1][FLAT] + (1 - one) * slope
        second = two * state[2][FLAT] + (1 - two) * slope.square()
        count = state[3][FLAT].detach() + 1
        mean, square = first / (1 - one**count), second / (1 - two**count)
        speed = mean / torch.sqrt(square + self.epsilon**2)
        moved = apart(flat(phi) - self.rates(phi, theta) * speed, phi)
        return moved, {FLAT: first}, {FLAT: second}, {FLAT: count}


def flat(weights: Weights) -> Tensor:
    """Return all weights in one vector: an optimizer's step then costs a few kernels."""
    return torch.cat([value.reshape(-1) for value in weights.values()])


def apart(vector: Tensor, like: Weights) -> Weights:
    """Return the inverse of `flat`."""
    parts = torch.split(vector, [value.numel() for value in like.values()])
    return {name: part.view_as(value) for (name, value), part in zip(like.items(), parts, strict=True)}
