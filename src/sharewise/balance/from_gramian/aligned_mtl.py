"""Independent component alignment."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sharewise.balance.solvers import scaled
from sharewise.balance.weighting import EXACT, Needs, Signals, Weighting, like
from sharewise.errors import ConfigError, nearest

SCALES = ("min", "median", "mean")
#: Eigenvalues below this share of the largest are zero.
RANK = 1e-10


class AlignedMTL(Weighting):
    """Aligned-MTL (Senushkin et al. 2023, CVPR, algorithm 1): gradients made orthogonal and equally long.

    With G = V Λ Vᵀ the weights are σ V Λ^(-1/2) Vᵀ p, p the mean: of all systems of orthogonal gradients of
    length σ the nearest one to the tasks'. Directions without variance are left out.

    Args:
        scale: which eigenvalue σ² is: the smallest one ("min", the paper's), "median" or "mean".
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __init__(self, *, scale: str = "min") -> None:
        if scale not in SCALES:
            raise ConfigError(f"Aligned-MTL's scale '{scale}' is unknown.", nearest(scale, SCALES))
        self.scale = scale

    def __call__(self, signals: Signals) -> Tensor:
        g, largest = scaled(signals.given_gramian)
        preference = torch.full((len(g),), 1 / len(g), dtype=EXACT)
        if largest == 0:
            return like(preference, signals.losses)
        values, vectors = torch.linalg.eigh((g + g.T) / 2)
        keep = values > RANK * values[-1]
        values, vectors = values[keep], vectors[:, keep]
        size = {"min": values[0], "median": values.median(), "mean": values.mean()}[self.scale]
        return like(vectors @ ((size / values).sqrt() * (vectors.T @ preference)), signals.losses)
