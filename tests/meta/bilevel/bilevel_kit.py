"""Small problems in float64 whose hyper-gradients are known, and finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import repeat

import torch
from torch import Tensor

from sharewise.meta.bilevel import Bilevel, Method, Values, Weights, hyper_gradient, weight_decay

Rows = tuple[Tensor, Tensor]


def rows(count: int, inputs: int = 5, seed: int = 0) -> Rows:
    """Inputs and labels of a noisy line."""
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(count, inputs, generator=chance, dtype=torch.float64)
    slope = torch.linspace(-1, 1, inputs, dtype=torch.float64)
    return x, x @ slope + 0.5 * torch.randn(count, generator=chance, dtype=torch.float64)


def ridge_inner(phi: Weights, theta: Values, batch: Rows) -> Tensor:
    x, y = batch
    return 0.5 * (x @ phi["w"] - y).square().mean() + weight_decay(phi, theta["decay"])


def ridge_outer(phi: Weights, theta: Values, batch: Rows) -> Tensor:
    x, y = batch
    return 0.5 * (x @ phi["w"] - y).square().mean()


RIDGE: Bilevel[Rows] = Bilevel(ridge_inner, ridge_outer)


def ridge_solution(train: Rows, decay: Tensor) -> Tensor:
    """The minimum of the inner loss, in closed form and differentiable in the decay."""
    x, y = train
    eye = torch.eye(x.shape[1], dtype=x.dtype)
    return torch.linalg.solve(x.T @ x / len(x) + decay * eye, x.T @ y / len(x))


def ridge_slope(train: Rows, valid: Rows, decay: float) -> Tensor:
    """d validation loss / d decay: with A w = b, dw = -A⁻¹ w."""
    (x, _), (v, t) = train, valid
    strength = torch.tensor(decay, dtype=torch.float64)
    w = ridge_solution(train, strength)
    a = x.T @ x / len(x) + strength * torch.eye(x.shape[1], dtype=x.dtype)
    return -(v.T @ (v @ w - t) / len(v)) @ torch.linalg.solve(a, w)


def net(phi: Weights, x: Tensor) -> Tensor:
    """A small network with a smooth activation."""
    return torch.tanh(x @ phi["a"] + phi["b"]) @ phi["c"]


def net_weights(inputs: int = 5, hidden: int = 4, seed: int = 3) -> Weights:
    chance = torch.Generator().manual_seed(seed)
    shapes = {"a": (inputs, hidden), "b": (hidden,), "c": (hidden,)}
    return {n: 0.5 * torch.randn(s, generator=chance, dtype=torch.float64) for n, s in shapes.items()}


def net_inner(phi: Weights, theta: Values, batch: Rows) -> Tensor:
    loss = 0.5 * (net(phi, batch[0]) - batch[1]).square().mean()
    return loss + weight_decay(phi, theta["decay"]) if "decay" in theta else loss


def net_outer(phi: Weights, theta: Values, batch: Rows) -> Tensor:
    return 0.5 * (net(phi, batch[0]) - batch[1]).square().mean()


NET: Bilevel[Rows] = Bilevel(net_inner, net_outer)


def differences(
    value: Callable[[Mapping[str, Tensor]], float], theta: Mapping[str, Tensor], width: float = 1e-5
) -> dict[str, Tensor]:
    """Central differences of a function of θ."""
    found = {}
    for name, whole in theta.items():
        flat = torch.zeros(whole.numel(), dtype=whole.dtype)
        for i in range(whole.numel()):
            step = torch.zeros(whole.numel(), dtype=whole.dtype)
            step[i] = width
            up, down = (value({**theta, name: whole + s * step.view_as(whole)}) for s in (1, -1))
            flat[i] = (up - down) / (2 * width)
        found[name] = flat.view_as(whole)
    return found


def outer_after(
    problem: Bilevel[Rows], phi: Weights | None, method: Method, train: Rows, valid: Rows
) -> Callable[[Mapping[str, Tensor]], float]:
    """Return θ -> the outer loss after the method's steps."""
    return lambda theta: hyper_gradient(problem, phi, theta, method, inner=repeat(train), outer=valid).loss
