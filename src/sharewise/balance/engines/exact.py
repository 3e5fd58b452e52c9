"""The exact engine: the Jacobian by batched autograd. The reference, and what Jacobian methods need."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.balance.engines.batched import gradients
from sharewise.balance.engines.engine import Engine, Scene


class Exact(Engine):
    """Builds J, one row a task: T backward passes in one, and memory for T copies of the gradient."""

    @torch.no_grad()
    def gramian(self, scene: Scene) -> Float[Tensor, "tasks tasks"]:
        total = torch.zeros(scene.parting.tasks, scene.parting.tasks, device=_device(scene))
        for block in self.blocks(scene):
            total += block @ block.T
        return total

    @torch.no_grad()
    def jacobian(self, scene: Scene) -> Float[Tensor, "tasks parameters"]:
        """Return J, its columns in the order of the shared parameters."""
        return torch.cat(self.blocks(scene), 1)

    def blocks(self, scene: Scene) -> list[Float[Tensor, "tasks numbers"]]:
        """Return J parameter by parameter; zeros for one that takes no part."""
        found = gradients(scene.parting, scene.shared)
        tasks = scene.parting.tasks
        return [
            scene.sum(
                p.new_zeros(tasks, p.numel(), dtype=torch.float32)
                if g is None
                else g.reshape(tasks, -1).float()
            )
            for p, g in zip(scene.shared, found, strict=True)
        ]


def _device(scene: Scene) -> torch.device:
    return scene.parting.gradients[0].device
