"""iMAML (Rajeswaran et al. 2019, "Meta-Learning with Implicit Gradients")."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sharewise.data.episodes import Episodes
from sharewise.errors import ConfigError
from sharewise.meta.gradient.descent import GradientLearner
from sharewise.meta.learner import Judged, Spec
from sharewise.meta.nets import Weights


class IMAML(GradientLearner):
    """The inner problem is min_φ L(φ, D^tr) + λ/2 |φ - θ|²; its solution's derivative needs no path to it.

    The meta-gradient is (I + H/λ)⁻¹ ∇L(φ, D^ts) with H the Hessian of the support loss at φ (equation 6), by
    `cg_steps` of conjugate gradients for all tasks side by side (Algorithm 2). Memory does not grow with the
    inner steps. It is the meta-gradient only as far as these have converged.

    Args:
        regularisation: λ.
        cg_steps: conjugate-gradient steps.
        options: of `GradientLearner`.
    """

    traceable = False

    def __init__(
        self, spec: Spec, *, steps: int = 16, regularisation: float = 2.0, cg_steps: int = 5, **options: Any
    ) -> None:
        options.pop("second_order", None)
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
        losses = (self.spec.kind.loss(self.run(fast, x), support.targets) * support.weights).sum()
        values = list(fast.values())
        first = torch.autograd.grad(losses, values, create_graph=True)
        shapes = [value.shape for value in values]

        def product(v: Tensor) -> Tensor:
            found = torch.autograd.grad(first, values, _apart(v, shapes), retain_graph=True)
            return v + _flat(list(found)) / self.regularisation

        solution = torch.zeros_like(_flat(right))
        residual = _flat(right)
        direction, size = residual, residual.square().sum(1, keepdim=True)
        for _ in range(self.cg_steps):
            along = product(direction)
            step = size / (direction * along).sum(1, keepdim=True).clamp(min=1e-20)
            solution, residual = solution + step * direction, residual - step * along
            after = residual.square().sum(1, keepdim=True)
            direction, size = residual + after / size.clamp(min=1e-20) * direction, after
        return _apart(solution.detach(), shapes)


def _flat(values: list[Tensor]) -> Tensor:
    return torch.cat([value.flatten(1) for value in values], 1)


def _apart(flat: Tensor, shapes: list[torch.Size]) -> list[Tensor]:
    sizes = [shape[1:].numel() for shape in shapes]
    return [part.view(shape) for part, shape in zip(torch.split(flat, sizes, 1), shapes, strict=True)]
