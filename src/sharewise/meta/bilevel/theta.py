"""Theta: named hyper-parameters with their constraints, as an optimizer sees them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sharewise.errors import ConfigError, nearest
from sharewise.meta.bilevel.constraints import constraint
from sharewise.meta.bilevel.problem import Values, check_theta


class Theta:
    """θ by name.

    Args:
        values: to start from, as the losses read them.
        constraints: names of `CONSTRAINTS` by θ's names; "free" where none is given.

    Attributes:
        raw: what is optimised, by name.

    Raises:
        ConfigError: if there are none, a constraint is unknown or of an unknown name, or a start breaks one.

    Example:
        >>> theta = Theta({"decay": 1e-3, "weights": torch.ones(2)}, {"decay": "exp"})
    """

    def __init__(
        self, values: Mapping[str, Tensor | float], constraints: Mapping[str, str] | None = None
    ) -> None:
        # A whole number of Python's is meant as a number.
        given = {
            name: torch.as_tensor(float(value) if isinstance(value, int) else value).detach()
            for name, value in values.items()
        }
        check_theta(given)
        named = dict(constraints or {})
        for name in named:
            if name not in values:
                raise ConfigError(f"There is no hyper-parameter '{name}'.", nearest(name, tuple(values)))
        self.constraints = {name: constraint(named.get(name, "free")) for name in values}
        self.raw: dict[str, nn.Parameter] = {}
        for name, value in given.items():
            own = self.constraints[name]
            if not own.holds(value):
                raise ConfigError(f"The hyper-parameter '{name}' is {value.tolist()}.", f"Use {own.words}.")
            self.raw[name] = nn.Parameter(own.raw(value).clone())

    def values(self) -> dict[str, Tensor]:
        """Return θ as the losses read it, without gradients."""
        return {name: self.constraints[name].value(raw.detach()) for name, raw in self.raw.items()}

    def pull(self, gradient: Values) -> None:
        """Set the raw numbers' `grad` from the gradient by the values."""
        for name, raw in self.raw.items():
            with torch.enable_grad():
                value = self.constraints[name].value(raw.clone())
            (raw.grad,) = torch.autograd.grad(value, raw, gradient[name])

    @torch.no_grad()
    def project(self) -> None:
        """Move what left its constraint back."""
        for name, raw in self.raw.items():
            raw.copy_(self.constraints[name].project(raw))

    def plain(self) -> dict[str, list[float] | float]:
        """Return plain values, for logs."""
        return {name: value.tolist() for name, value in self.values().items()}
