"""Which values a hyper-parameter may have: a map from raw numbers that are free, or a projection."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from sharewise.errors import ConfigError, nearest


class Constraint(ABC):
    """value = map(raw); after every step raw is projected to where it may be."""

    #: What values are allowed, for messages.
    words: str

    @abstractmethod
    def value(self, raw: Tensor) -> Tensor:
        """Return the value, differentiably."""

    @abstractmethod
    def raw(self, value: Tensor) -> Tensor:
        """Return the raw number whose value this is."""

    @abstractmethod
    def holds(self, value: Tensor) -> bool:
        """Return whether all values are allowed as a start."""

    def project(self, raw: Tensor) -> Tensor:
        """Return the nearest raw number that is allowed."""
        return raw


class Free(Constraint):
    """Any number."""

    words = "finite numbers"

    def value(self, raw: Tensor) -> Tensor:
        return raw

    def raw(self, value: Tensor) -> Tensor:
        return value

    def holds(self, value: Tensor) -> bool:
        return bool(value.isfinite().all())


class NonNegative(Free):
    """At least 0, by projection: 0 itself can be reached, and left again."""

    words = "finite numbers from 0 on"

    def holds(self, value: Tensor) -> bool:
        return super().holds(value) and bool((value >= 0).all())

    def project(self, raw: Tensor) -> Tensor:
        return raw.clamp(min=0)


class Exponential(Constraint):
    """Positive, by exp: steps are relative, for what spans powers of ten (weight decay, learning rates)."""

    words = "positive numbers"

    def value(self, raw: Tensor) -> Tensor:
        return raw.exp()

    def raw(self, value: Tensor) -> Tensor:
        return value.log()

    def holds(self, value: Tensor) -> bool:
        return bool((value.isfinite() & (value > 0)).all())


class Softplus(Exponential):
    """Positive, by log(1 + exp): relative steps near 0, plain ones above 1."""

    def value(self, raw: Tensor) -> Tensor:
        return torch.nn.functional.softplus(raw)

    def raw(self, value: Tensor) -> Tensor:
        return value + torch.log(-torch.expm1(-value))


class Unit(Constraint):
    """Between 0 and 1, by the logistic function: shares, momentum."""

    words = "numbers between 0 and 1"

    def value(self, raw: Tensor) -> Tensor:
        return raw.sigmoid()

    def raw(self, value: Tensor) -> Tensor:
        return value.logit()

    def holds(self, value: Tensor) -> bool:
        return bool(((value > 0) & (value < 1)).all())


CONSTRAINTS: dict[str, Constraint] = {
    "free": Free(),
    "nonnegative": NonNegative(),
    "exp": Exponential(),
    "softplus": Softplus(),
    "unit": Unit(),
}


def constraint(name: str) -> Constraint:
    """Return the constraint of that name; ConfigError if it is unknown."""
    if name not in CONSTRAINTS:
        raise ConfigError(f"Constraint '{name}' is unknown.", nearest(name, tuple(CONSTRAINTS)))
    return CONSTRAINTS[name]
