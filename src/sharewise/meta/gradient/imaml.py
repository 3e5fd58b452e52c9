"""iMAML (Rajeswaran et al. 2019, "Meta-Learning with Implicit Gradients")."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from sharewise.data.episodes import Episodes, Shots
from sharewise.errors import ConfigError
from sharewise.meta.gradient.descent import GradientLearner
from sharewise.meta.learner import Judged, Spec
from sharewise.meta.nets import Weights
from sharewise.meta.solvers import ConjugateGradient

#: Curvature of I + H/λ along a direction of length 1 below which conjugate gradients stop.
LEAST_CURVATURE = 0.01


class IMAML(GradientLearner):
    """The inner problem is min_φ L(φ, D^tr) + λ/2 |φ - θ|²; its solution's derivative needs no path to it.

    The meta-gradient is (I + H/λ)⁻¹ ∇L(φ, D^ts) with H the Hessian of the support loss at φ (equation 6), by
    `cg_steps` of conjugate gradients for all tasks side by side (Algorithm 2). Memory does not grow with the
    inner steps. It is the meta-gradient only as far as these have converged.

    At a minimum of the inner problem I + H/λ is positive definite. Where the inner steps have not come near
    one it need not be, and plain conjugate gradients blow up. So a task's solution stays as it is once a
    direction's curvature is below `LEAST_CURVATURE`; if that is the first direction, it is the query gradient
    itself (truncated Newton: Steihaug 1983; Nocedal & Wright 2006, Algorithm 7.1). The paper says nothing of
    this case.

    Args:
        regularisation: λ.
        cg_steps: conjugate-gradient steps.
        options: of `GradientLearner`.
    """

    traceable = False
    unrolls: ClassVar[bool] = False

    def __init__(
        self, spec: Spec, *, steps: int = 16, regularisation: float = 2.0, cg_steps: int = 5, **options: Any
    ) -> None:
        if not regularisation > 0 or cg_steps < 1:
            raise ConfigError(
                f"iMAML has regularisation = {regularisation} and cg_steps = {cg_steps}.",
                "Use a positive number, and at least one step.",
            )
        super().__init__(spec, steps=steps, second_order=False, **options)
        self.regularisation, self.cg_steps = regularisation, cg_steps

    def penalty(self, fast: Weights) -> Tensor:
        own = self.net.weights()
        moved = [(value - own[name].detach()).square().sum() for name, value in fast.items()]
        return 0.5 * self.regularisation * torch.stack(moved).sum()

    def slopes(self, fast: Weights, x: Tensor, support: Shots) -> Weights | None:
        found = self.net.slopes(fast, x, self._slope(support), tuple(fast))
        if found is None:
            return None
        own = self.net.weights()
        return {
            name: slope + self.regularisation * (fast[name] - own[name]).detach()
            for name, slope in found.items()
        }

    def judge(self, episodes: Episodes) -> Judged:
        if not torch.is_grad_enabled():
            return super().judge(episodes)
        start = self.start(len(episodes))
        found = self.stacked(self.adapted(episodes.support), len(episodes))
        fast = {name: value.detach().clone() for name, value in found.items()}
        leaves = {name: value.requires_grad_() for name, value in fast.items()}
        losses = self.losses(self.predictor(leaves, episodes.support)(episodes.query.inputs), episodes.query)
        # The reader's parameters are not adapted: they get the plain gradient of the query loss.
        outer = torch.autograd.grad(losses.sum(), list(leaves.values()), retain_graph=True)
        implicit = self._solve(leaves, list(outer), episodes)
        through = [
            (start[name] * value).flatten(1).sum(1) for name, value in zip(leaves, implicit, strict=True)
        ]
        reader = losses if any(p.requires_grad for p in self.reader.parameters()) else losses.detach()
        surrogate = torch.stack(through).sum(0)
        return Judged(losses.detach(), surrogate + reader)

    def _solve(self, fast: Weights, right: list[Tensor], episodes: Episodes) -> list[Tensor]:
        """Solve (I + H/λ) v = right for every task by conjugate gradients."""
        x = self.reader(episodes.support.inputs).detach()
        support = episodes.support
        losses = (self.spec.kind.loss(self.run(fast, x), support.known) * support.weights).sum()
        values = list(fast.values())
        first = torch.autograd.grad(losses, values, create_graph=True)
        shapes = [value.shape for value in values]

        def product(v: Tensor) -> Tensor:
            found = torch.autograd.grad(first, values, _apart(v, shapes), retain_graph=True)
            return v + _flat(list(found)) / self.regularisation

        solver = ConjugateGradient(self.cg_steps, least_curvature=LEAST_CURVATURE)
        return _apart(solver.solve(product, _flat(right)).vector.detach(), shapes)


def _flat(values: list[Tensor]) -> Tensor:
    return torch.cat([value.flatten(1) for value in values], 1)


def _apart(flat: Tensor, shapes: list[torch.Size]) -> list[Tensor]:
    sizes = [shape[1:].numel() for shape in shapes]
    return [part.view(shape) for part, shape in zip(torch.split(flat, sizes, 1), shapes, strict=True)]
