"""ALPaCA (Harrison et al. 2018, "Meta-Learning Priors for Efficient Online Bayesian Regression")."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sharewise.data.episodes import Shots
from sharewise.errors import ConfigError
from sharewise.meta.closed_form.ridge import with_one
from sharewise.meta.features import FeatureLearner
from sharewise.meta.learner import Forecast, Spec
from sharewise.nn.initial import Initial

#: Least variance of the noise, so that a likelihood on noiseless data stays finite.
FLOOR = 1e-4


class ALPaCA(FeatureLearner[tuple[Tensor, Tensor]]):
    """Bayesian linear regression on learned features, with a learned prior: a posterior for every task.

    y = kᵀφ(x) + ε with k ~ N(k̄₀, σ²Λ₀⁻¹), ε ~ N(0, σ²). After the support set Λ = Λ₀ + ΦᵀΦ and
    k̄ = Λ⁻¹ (Φᵀy + Λ₀k̄₀); a prediction is N(k̄ᵀφ, σ²(1 + φᵀΛ⁻¹φ)). Prior and features are trained on the
    likelihood of the query rows given the support rows, so its intervals are calibrated as far as tasks are
    alike. Deviations: σ is learned, and φ has a constant beside it.

    Args:
        noise: σ, at first; in standardised units.
        options: of `FeatureLearner`.
    """

    traceable = True
    from_nothing = True
    undecayed = ("root",)
    kinds: ClassVar[frozenset[str]] = frozenset({"regression"})

    def __init__(self, spec: Spec, *, seed: int = 0, noise: float = 0.1, **options: Any) -> None:
        if not noise > 0:
            raise ConfigError(f"ALPaCA has noise = {noise}.", "Use a positive standard deviation.")
        super().__init__(spec, seed=seed, **options)
        size = self.size + 1
        self.mean = nn.Parameter(Initial(seed, ("prior",)).normal(0.1, (size,)))
        self.root = nn.Parameter(torch.eye(size))
        self.log_variance = nn.Parameter(2.0 * torch.tensor(float(noise)).log())

    @property
    def variance(self) -> Tensor:
        """σ², the noise's variance."""
        return self.log_variance.exp() + FLOOR

    @property
    def precision(self) -> Float[Tensor, "size size"]:
        """Λ₀ = L₀L₀ᵀ, the prior's precision in units of the noise's."""
        lower = self.root.tril()
        return lower @ lower.T + 1e-6 * torch.eye(len(lower), dtype=lower.dtype, device=lower.device)

    def read(self, known: Tensor, support: Shots) -> tuple[Tensor, Tensor]:
        return self.posterior(with_one(known), support)

    def posterior(
        self, x: Float[Tensor, "tasks rows size"], support: Shots
    ) -> tuple[Float[Tensor, "tasks size"], Float[Tensor, "tasks size size"]]:
        """Return k̄ and the Cholesky factor of Λ for every task."""
        y = support.known
        if support.mask is not None:
            x = x * support.mask.unsqueeze(-1)
        prior = self.precision
        factor = torch.linalg.cholesky(prior + x.transpose(1, 2) @ x)
        right = (x.transpose(1, 2) @ y.unsqueeze(-1)) + (prior @ self.mean).unsqueeze(-1)
        return torch.cholesky_solve(right, factor).squeeze(-1), factor

    def answer(self, asked: Tensor, learned: tuple[Tensor, Tensor]) -> Forecast:
        x, (mean, factor) = with_one(asked), learned
        whitened = torch.linalg.solve_triangular(factor, x.transpose(1, 2), upper=False)
        spread = self.variance * (1 + whitened.square().sum(1))
        return Forecast(x @ mean.unsqueeze(-1), spread)
