"""Bilevel: an inner and an outer loss of weights φ, hyper-parameters θ and a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from sharewise.errors import ConfigError, DivergedError

#: φ by name, as `nn.Module.named_parameters` has it.
Weights = dict[str, Tensor]
#: θ by name, as the losses read it: constraints applied.
Values = Mapping[str, Tensor]

#: A batch, whatever the losses take.
B = TypeVar("B")
Loss = Callable[[Weights, Values, B], Tensor]


@dataclass(frozen=True)
class Bilevel(Generic[B]):
    """min_θ outer(φ*(θ), θ), φ*(θ) = argmin_φ inner(φ, θ).

    Both losses must be twice differentiable in φ, functions of their arguments alone (the same chance at
    every call for one batch), and scalar.

    Args:
        inner: the loss that φ goes down: training loss.
        outer: the loss that θ goes down: validation loss.
        start: φ at the beginning as a function of θ, for problems where that is what is learned (MAML).

    Example:
        >>> inner = lambda phi, theta, batch: ((batch[0] @ phi["w"] - batch[1]) ** 2).mean() + \\
        ...     theta["decay"] * phi["w"].square().sum()
        >>> outer = lambda phi, theta, batch: ((batch[0] @ phi["w"] - batch[1]) ** 2).mean()
        >>> problem = Bilevel(inner, outer)
    """

    inner: Loss[B]
    outer: Loss[B]
    start: Callable[[Values], Weights] | None = None

    def inner_loss(self, phi: Weights, theta: Values, batch: B) -> Tensor:
        """Return the inner loss, checked."""
        return _checked(self.inner(phi, theta, batch), "inner")

    def outer_loss(self, phi: Weights, theta: Values, batch: B) -> Tensor:
        """Return the outer loss, checked."""
        return _checked(self.outer(phi, theta, batch), "outer")


def _checked(loss: Tensor, name: str) -> Tensor:
    if loss.numel() != 1:
        raise ConfigError(
            f"The {name} loss has the shape {tuple(loss.shape)}.",
            "Return one number, such as a mean over rows.",
        )
    if not bool(loss.detach().isfinite().all()):
        raise DivergedError(
            f"The {name} loss is not a finite number.", "Lower the inner or the outer learning rate."
        )
    return loss.reshape(())


def weights_of(module: nn.Module) -> Weights:
    """Return copies of a module's trained parameters, for `torch.func.functional_call`."""
    found = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}
    if not found:
        raise ConfigError("The module has no parameters to train.", "Let some of them require gradients.")
    return found


@torch.no_grad()
def load_weights(module: nn.Module, phi: Weights) -> None:
    """Copy weights into the module's parameters of these names."""
    own = dict(module.named_parameters())
    for name, value in phi.items():
        own[name].copy_(value)


def weight_decay(phi: Weights, decay: Tensor) -> Tensor:
    """Return ½ Σ decay |φ|²: one decay for all, or ``[weights]``, one for each of φ's tensors in order."""
    squares = torch.stack([value.square().sum() for value in phi.values()])
    if decay.dim() and len(decay) != len(squares):
        raise ConfigError(
            f"There are {len(decay)} weight decays for {len(squares)} weights.",
            "Give one for all, or one for each.",
        )
    total: Tensor = 0.5 * (decay * squares).sum()
    return total


def check_theta(theta: Values) -> None:
    """Raise ConfigError if θ is empty or not of floating point."""
    if not theta:
        raise ConfigError("There are no hyper-parameters.", "Name at least one.")
    for name, value in theta.items():
        if not value.is_floating_point():
            raise ConfigError(
                f"The hyper-parameter '{name}' is of type {value.dtype}.", "Use floating point."
            )
