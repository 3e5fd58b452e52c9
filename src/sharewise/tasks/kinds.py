"""Kinds of task: each fixes loss, link and metrics.

Every loss is a negative log likelihood up to a constant of the data, zero for a perfect prediction, so that
losses can be added, compared and weighted. Kinds work on stacked tensors: outputs ``[..., width]``, targets
``[...]``, with any leading dimensions (rows, tasks, members), so that tasks of one kind need no loop.

To add a kind: subclass `Kind`, and add it to `KINDS` (or call `register_kind` from outside the package).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from sharewise.errors import ConfigError, nearest
from sharewise.tasks import metrics
from sharewise.tasks.kind import Array, Kind
from sharewise.tasks.metrics import Effect


@dataclass(frozen=True)
class Binary(Kind):
    """A label of 0 or 1: Bernoulli likelihood, logistic link."""

    name: ClassVar[str] = "binary"
    primary: ClassVar[str] = "auc"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        logits = outputs[..., 0]
        return torch.nn.functional.softplus(logits) - targets * logits

    def slope(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.sigmoid(outputs) - targets.unsqueeze(-1)

    def link(self, outputs: Tensor) -> Tensor:
        return torch.sigmoid(outputs)

    def pool(self, outputs: Tensor) -> Tensor:
        # The logarithms of the sums of p and of 1 - p: stable where a mean of p near 0 or 1 is not.
        logs = torch.nn.functional.logsigmoid(torch.stack([outputs, -outputs])).logsumexp(1)
        return logs[0] - logs[1]

    def constant(self, targets: Tensor, weights: Tensor) -> Tensor:
        mean = ((weights * targets).sum() / weights.sum()).double().clamp(1e-7, 1 - 1e-7)
        return torch.logit(mean).float().reshape(1)

    def problem(self, targets: Array) -> str | None:
        wrong = targets[(targets != 0) & (targets != 1)]
        return f"holds the value {wrong[0]:g}, but a binary label is 0 or 1" if len(wrong) else None

    def effect(self, predictions: Array, targets: Array, weights: Array) -> Effect:
        return metrics.auc(predictions[:, 0], targets, weights)

    def metrics(self, predictions: Array, targets: Array, weights: Array) -> dict[str, float]:
        p = predictions[:, 0]
        return {
            "auc": metrics.auc(p, targets, weights).value,
            "brier": metrics.mean((p - targets) ** 2, weights).value,
            "base_rate": metrics.mean(targets, weights).value,
        }


@dataclass(frozen=True)
class Multiclass(Kind):
    """One of several classes: categorical likelihood, softmax link; targets are class indices."""

    name: ClassVar[str] = "multiclass"
    primary: ClassVar[str] = "accuracy"
    categorical: ClassVar[bool] = True

    def width(self, classes: int) -> int:
        return max(classes, 1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        chosen = outputs.gather(-1, targets.long().clamp(min=0).unsqueeze(-1)).squeeze(-1)
        return torch.logsumexp(outputs, dim=-1) - chosen

    def slope(self, outputs: Tensor, targets: Tensor) -> Tensor:
        hot = torch.nn.functional.one_hot(targets.long().clamp(min=0), outputs.shape[-1])
        return torch.softmax(outputs, dim=-1) - hot

    def link(self, outputs: Tensor) -> Tensor:
        return torch.softmax(outputs, dim=-1)

    def pool(self, outputs: Tensor) -> Tensor:
        return torch.log_softmax(outputs, dim=-1).logsumexp(0) - math.log(len(outputs))

    def constant(self, targets: Tensor, weights: Tensor) -> Tensor:
        shares = torch.bincount(targets.long(), weights.double())
        return torch.log(shares / shares.sum()).clamp(min=-20.0).float()

    def effect(self, predictions: Array, targets: Array, weights: Array) -> Effect:
        return metrics.mean((predictions.argmax(axis=1) == targets).astype(np.float64), weights)


@dataclass(frozen=True)
class Regression(Kind):
    """A number: Gaussian likelihood of fixed variance, or Laplace (robust: absolute error), identity link.

    Args:
        noise: "gaussian" (half the squared error) or "laplace" (the absolute error), in standardised units.
    """

    name: ClassVar[str] = "regression"
    primary: ClassVar[str] = "r2"
    standardised: ClassVar[bool] = True
    noise: str = "gaussian"

    def __post_init__(self) -> None:
        if self.noise not in ("gaussian", "laplace"):
            raise ConfigError(
                f"Regression noise '{self.noise}' is unknown.", nearest(self.noise, ("gaussian", "laplace"))
            )

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        residual = outputs[..., 0] - targets
        return residual.abs() if self.noise == "laplace" else 0.5 * residual.square()

    def slope(self, outputs: Tensor, targets: Tensor) -> Tensor:
        residual = outputs - targets.unsqueeze(-1)
        return residual.sign() if self.noise == "laplace" else residual

    def link(self, outputs: Tensor) -> Tensor:
        return outputs

    def constant(self, targets: Tensor, weights: Tensor) -> Tensor:
        if self.noise == "gaussian":
            mean: Tensor = (weights.double() * targets).sum() / weights.double().sum()
            return mean.float().reshape(1)
        values, order = targets.sort()
        reached = weights[order].double().cumsum(0)
        half = torch.searchsorted(reached, reached[-1:] / 2)
        return values[half]

    def problem(self, targets: Array) -> str | None:
        return None if np.isfinite(targets).all() else "holds an infinite value"

    def effect(self, predictions: Array, targets: Array, weights: Array) -> Effect:
        return metrics.explained((predictions[:, 0] - targets) ** 2, _squares(targets, weights), weights)

    def metrics(self, predictions: Array, targets: Array, weights: Array) -> dict[str, float]:
        residual = predictions[:, 0] - targets
        return {
            "r2": self.effect(predictions, targets, weights).value,
            "rmse": float(np.sqrt(metrics.mean(residual**2, weights).value)),
            "mae": metrics.mean(np.abs(residual), weights).value,
        }

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "noise": self.noise}


@dataclass(frozen=True)
class Count(Kind):
    """A count 0, 1, 2...: Poisson likelihood (as half the deviance), logarithmic link."""

    name: ClassVar[str] = "count"
    primary: ClassVar[str] = "d2"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        log_rate = outputs[..., 0]
        saturated: Tensor = torch.special.xlogy(targets, targets) - targets
        return log_rate.exp() - targets * log_rate + saturated

    def slope(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.exp() - targets.unsqueeze(-1)

    def link(self, outputs: Tensor) -> Tensor:
        return outputs.exp()

    def pool(self, outputs: Tensor) -> Tensor:
        return outputs.logsumexp(0) - math.log(len(outputs))

    def constant(self, targets: Tensor, weights: Tensor) -> Tensor:
        mean: Tensor = (weights * targets).sum() / weights.sum()
        return mean.clamp(min=1e-7).log().reshape(1)

    def problem(self, targets: Array) -> str | None:
        wrong = targets[(targets < 0) | (targets != np.floor(targets)) | ~np.isfinite(targets)]
        return f"holds the value {wrong[0]:g}, but a count is 0, 1, 2 and so on" if len(wrong) else None

    def effect(self, predictions: Array, targets: Array, weights: Array) -> Effect:
        rate = np.maximum(predictions[:, 0], 1e-12)
        mean = np.full_like(targets, max(metrics.mean(targets, weights).value, 1e-12))
        return metrics.explained(_half_deviance(targets, rate), _half_deviance(targets, mean), weights)

    def metrics(self, predictions: Array, targets: Array, weights: Array) -> dict[str, float]:
        residual = predictions[:, 0] - targets
        return {
            "d2": self.effect(predictions, targets, weights).value,
            "rmse": float(np.sqrt(metrics.mean(residual**2, weights).value)),
        }


@dataclass(frozen=True)
class Custom(Kind):
    """A kind of the user's own.

    Args:
        label: its name; `register_kind` it under that name so that saved models find it again.
        loss_fn: (outputs ``[..., 1]``, targets ``[...]``) -> losses ``[...]``, not reduced, not negative.
        link_fn: outputs -> predictions.
        metric_fns: name -> function of (predictions, targets, weights) -> number.

    Verdicts use the share of the label's variance that the first prediction explains.
    """

    name: ClassVar[str] = "custom"
    primary: ClassVar[str] = "explained"
    label: str = "custom"
    loss_fn: Callable[[Tensor, Tensor], Tensor] = field(default=lambda o, y: (o[..., 0] - y).square())
    link_fn: Callable[[Tensor], Tensor] = field(default=lambda o: o)
    metric_fns: tuple[tuple[str, Callable[[Array, Array, Array], float]], ...] = ()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        losses: Tensor = self.loss_fn(outputs, targets)
        return losses

    def link(self, outputs: Tensor) -> Tensor:
        return self.link_fn(outputs)

    def effect(self, predictions: Array, targets: Array, weights: Array) -> Effect:
        return metrics.explained((predictions[:, 0] - targets) ** 2, _squares(targets, weights), weights)

    def metrics(self, predictions: Array, targets: Array, weights: Array) -> dict[str, float]:
        own = {name: float(fn(predictions, targets, weights)) for name, fn in self.metric_fns}
        return {"explained": self.effect(predictions, targets, weights).value, **own}

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.label}


KINDS: dict[str, Callable[[], Kind]] = {
    "binary": Binary,
    "multiclass": Multiclass,
    "regression": Regression,
    "count": Count,
}


def register_kind(name: str, factory: Callable[[], Kind]) -> None:
    """Make a kind of one's own known by name to configurations and to saved models."""
    KINDS[name] = factory


def make_kind(name: str, **options: Any) -> Kind:
    """Return the kind of that name.

    Raises:
        ConfigError: if no kind has that name.
    """
    if name not in KINDS:
        raise ConfigError(f"Task kind '{name}' is unknown.", nearest(name, tuple(KINDS)))
    return KINDS[name](**options)


def kind_from_dict(values: dict[str, Any]) -> Kind:
    """Inverse of `Kind.to_dict`."""
    return make_kind(**values)


def _squares(targets: Array, weights: Array) -> Array:
    return np.asarray((targets - metrics.mean(targets, weights).value) ** 2)


def _half_deviance(targets: Array, rate: Array) -> Array:
    safe = np.where(targets > 0, targets, 1.0)
    return np.asarray(np.where(targets > 0, targets * np.log(safe / rate), 0.0) - targets + rate)
