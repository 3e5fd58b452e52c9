"""R2-D2 (Bertinetto et al. 2019, "Meta-learning with differentiable closed-form solvers")."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sharewise.data.episodes import Shots
from sharewise.errors import ConfigError
from sharewise.meta.features import FeatureLearner
from sharewise.meta.learner import Forecast, Spec, one_hot


class R2D2(FeatureLearner[Tensor]):
    """Ridge regression on learned features: W = Xᵀ (X Xᵀ + λI)⁻¹ Y, outputs α f(x)W + β, with λ, α
    and β learned.

    Classes are regressed on as one-hot vectors, a binary label as -1 and 1; numbers need neither α nor β. An
    addition to the paper: the features have a constant 1 beside them, so that there is an intercept, which λ
    pulls to 0 as it does the other weights.

    Args:
        regularisation: λ, at first.
        options: of `FeatureLearner`.
    """

    traceable = True
    kinds: ClassVar[frozenset[str]] = frozenset({"multiclass", "binary", "regression"})

    def __init__(self, spec: Spec, *, regularisation: float = 1.0, **options: Any) -> None:
        if not regularisation > 0:
            raise ConfigError(f"R2-D2 has regularisation = {regularisation}.", "Use a positive number.")
        super().__init__(spec, **options)
        self.log_regularisation = nn.Parameter(torch.tensor(float(regularisation)).log())
        if spec.kind.name != "regression":
            self.scale, self.shift = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))

    def read(self, known: Tensor, support: Shots) -> Tensor:
        """Return the weights ``[tasks, size + 1, width]``."""
        targets = one_hot(self.spec, support.known)
        if self.spec.kind.name == "binary":
            targets = 2 * targets - 1
        return ridge(with_one(known), targets, self.log_regularisation.exp(), support.mask)

    def answer(self, asked: Tensor, learned: Tensor) -> Forecast:
        found = with_one(asked) @ learned
        if self.spec.kind.name == "regression":
            return Forecast(found)
        return Forecast(self.scale * found + self.shift)


def ridge(
    x: Float[Tensor, "tasks rows size"],
    y: Float[Tensor, "tasks rows width"],
    regularisation: Tensor,
    mask: Tensor | None = None,
) -> Float[Tensor, "tasks size width"]:
    """Return argmin |XW - Y|² + λ|W|² for every task, by the smaller of the two systems.

    Rows outside the mask count as zeros, which change neither XᵀX nor XᵀY.
    """
    if mask is not None:
        x, y = x * mask.unsqueeze(-1), y * mask.unsqueeze(-1)
    rows, size = x.shape[1:]
    if rows <= size:
        kernel = x @ x.transpose(1, 2) + regularisation * torch.eye(rows, dtype=x.dtype, device=x.device)
        dual: Tensor = torch.linalg.solve(kernel, y)
        return x.transpose(1, 2) @ dual
    normal = x.transpose(1, 2) @ x + regularisation * torch.eye(size, dtype=x.dtype, device=x.device)
    found: Tensor = torch.linalg.solve(normal, x.transpose(1, 2) @ y)
    return found


def with_one(features: Tensor) -> Tensor:
    """Return features with a constant 1 beside them."""
    return torch.cat([features, torch.ones_like(features[..., :1])], -1)
