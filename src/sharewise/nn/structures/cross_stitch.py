"""Cross-stitch networks: a learned matrix mixes the tasks' features after every layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from sharewise.nn.dropout import Dropout
from sharewise.nn.picks import Picks, pick
from sharewise.nn.sharing import Setting, Sharing, Traits
from sharewise.nn.stacked import StackedLinear


class CrossStitch(Sharing):
    """x̃ᵗ = Σₛ α[t, s] xˢ after every layer (Misra et al. 2016, eq. 1), α learned from near the identity.

    A row needs the networks of all tasks, so disjoint rows cost as much as joint ones. Deviations: any number
    of tasks; one α a layer, not one a channel; all networks start at random instead of trained alone.
    """

    traits: ClassVar[Traits] = Traits(shares_encoder=False, reads_all=True)

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        options, tasks = setting.options, setting.tasks
        sizes = (setting.features, *options.hidden)
        self.layers, self.stitches = nn.ModuleList(), nn.ParameterList()
        for i, (features, out) in enumerate(zip(sizes, options.hidden, strict=False)):
            self.layers.append(
                StackedLinear(features, out, tasks, setting.initial.at("task", i), rectified=True)
            )
            self.stitches.append(nn.Parameter(_near_identity(len(tasks), options.stitch)))
        self.dropout = Dropout(options.dropout)
        self.width = sizes[-1]

    def forward(self, x: Tensor, picks: Picks | None, z: Tensor | None) -> Tensor:
        for layer, stitch in zip(self.layers, self.stitches, strict=True):
            x = self.dropout(layer(x, relu=True))
            x = (stitch @ x.flatten(1)).view(x.shape)
        return x if picks is None else pick(x, picks)

    def own_parameters(self) -> Iterator[nn.Parameter]:
        return iter(list(self.stitches)[-1:])  # a row a task, which no later layer mixes

    def route_parameters(self) -> Iterator[nn.Parameter]:
        return iter(self.stitches)


def _near_identity(tasks: int, own: float) -> Tensor:
    if tasks == 1:
        return torch.ones(1, 1)
    other = (1 - own) / (tasks - 1)
    return torch.full((tasks, tasks), other) + torch.eye(tasks) * (own - other)
