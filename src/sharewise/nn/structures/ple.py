"""Progressive layered extraction: levels of customized gate control."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sharewise.nn.encoders import Encoder
from sharewise.nn.picks import Picks, pick
from sharewise.nn.routing import Gate, NamedGate, mean_gates, mix
from sharewise.nn.sharing import Setting, Sharing, Traits
from sharewise.nn.structures.cgc import Extraction, unmasked


class PLE(Sharing):
    """Progressive layered extraction (Tang et al. 2020, eq. 5-7): `levels` of CGC.

    Below the last level a gate of the shared path mixes all experts, the tasks' own and the shared ones, for
    the next level's shared experts. That needs every task's experts on every row, so disjoint rows cost as
    much as joint ones. With one level it is CGC, exactly. `MultiTaskModel.gates` reports the last level's.
    """

    traits: ClassVar[Traits] = Traits(gated=True, reads_all=True)

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        options, at = setting.options, setting.initial
        widths = [setting.features] + [options.hidden[-1]] * options.levels
        self.levels = nn.ModuleList(
            Extraction(widths[i], setting, at.at("level", i)) for i in range(options.levels)
        )
        everyone = self._levels()[0].names
        self.between = nn.ModuleList(
            NamedGate(widths[i], everyone, options, at.at("between", i)) for i in range(options.levels - 1)
        )
        self.width = widths[-1]

    def forward(self, x: Tensor, picks: Picks | None, z: Tensor | None) -> Tensor:
        tasks, _ = self._run(x)
        return tasks if picks is None else pick(tasks, picks)

    def _run(self, x: Float[Tensor, "rows features"]) -> tuple[Tensor, Tensor]:
        """Return the tasks' representations and the last level's gates, both ``[tasks, rows, ...]``."""
        tasks, shared, gates = x, x, x
        between = cast("list[Gate]", list(self.between))
        for i, level in enumerate(self._levels()):
            gates = level.gate(tasks)
            gates = gates if gates.dim() == 3 else gates.unsqueeze(0)
            own, common = level.own_experts(tasks), level.shared_experts(shared)
            tasks = level.mix(gates, own, common)
            if i < len(between):
                shared = mix(between[i](shared), torch.cat([common, own.flatten(0, 1)]))
        return tasks, gates

    def _levels(self) -> list[Extraction]:
        return cast("list[Extraction]", list(self.levels))

    def _gates(self) -> list[Gate]:
        return [level.gate for level in self._levels()] + cast("list[Gate]", list(self.between))

    def gate_weights(self, x: Tensor, picks: Picks | None) -> Tensor:
        gates = self._run(x)[1]
        found = mean_gates(gates if picks is None else pick(gates, picks), len(gates), picks)
        return unmasked(found, self._levels()[-1].own)

    def penalty(self, encoder: Encoder) -> Tensor | None:
        found = [gate.loss for gate in self._gates() if gate.loss is not None]
        return torch.stack(found).sum() if found else None

    def own_parameters(self) -> Iterator[nn.Parameter]:
        # What a task's experts say below the last level reaches the others through the shared path.
        last = self._levels()[-1].specific.parameters()
        return chain(last, *(level.gate.parameters() for level in self._levels()[-2:]))

    def route_parameters(self) -> Iterator[nn.Parameter]:
        return chain(*(gate.parameters() for gate in self._gates()))
