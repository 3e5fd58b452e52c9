"""Inputs drawn at random: what a network is traced with, and what its exports are checked on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sharewise.export.network import TASK, Network
from sharewise.nn.growing import GrowingEmbedding
from sharewise.streams import stream

#: Batches that exports are checked on; the first traces, and has more than one row, which would be special.
SIZES = (4, 1, 7, 300)


def draw_inputs(network: Network, rows: int, seed: int = 0) -> dict[str, Tensor]:
    """Return inputs of all columns, every id among those that there are, numbers wide of their usual range.

    Args:
        network: whose inputs they are.
        rows: of the batch.
        seed: of the draws.
    """
    spec, chance = network.model.inputs, stream(seed, "export", rows)
    found: dict[str, Tensor] = {}
    if spec.cardinalities:
        columns = [_ids(rows, size, chance) for size in spec.cardinalities]
        found["categorical"] = torch.stack(columns, 1)
    if spec.growing:
        ids = _ids(rows * spec.growing, _capacity(network.model), chance)
        found["growing"] = ids.view(rows, spec.growing)
    if spec.bins:
        found["numeric"] = 3 * torch.randn(rows, len(spec.bins), generator=chance)
    if spec.image:
        found["image"] = torch.rand(rows, *spec.image, generator=chance)
    if network.disjoint:
        found[TASK] = _ids(rows, len(network.tasks), chance)
    return found


def _ids(count: int, most: int, chance: torch.Generator) -> Tensor:
    return torch.randint(0, most, (count,), generator=chance)


def _capacity(model: nn.Module) -> int:
    return min(part.rows.capacity for part in model.modules() if isinstance(part, GrowingEmbedding))
