"""What the gates do: each task's mean weight of every expert, and an alarm where one expert gets it all."""

from __future__ import annotations

from typing import Any

import torch

from sharewise.nn import MultiTaskModel
from sharewise.ranking.encoding import Rows

#: Rows that are looked at, evenly spread over a stretch.
LOOKED = 4096


def gate_use(model: MultiTaskModel, rows: Rows, alarm: float) -> dict[str, Any] | None:
    """Return ``{"weights": task -> mean weight of each expert, "polarised": tasks}``; None without gates.

    Args:
        model: in any mode.
        rows: whose gates are looked at.
        alarm: a mean weight above this is polarised (Zhao et al., RecSys 2019, sec. 5.2.4). A peaked gate is
            no fault by itself.
    """
    if not len(rows):
        return None
    every = -(-len(rows) // LOOKED)
    weights = model.gates({key: value[::every] for key, value in rows.inputs.items()})
    if weights is None:
        return None
    weights = weights.cpu()
    peaked = (weights > alarm).any(1) if weights.shape[1] > 1 else torch.zeros(len(weights), dtype=torch.bool)
    named = dict(zip(model.tasks.names, weights.tolist(), strict=True))
    polarised = [name for name, one in zip(model.tasks.names, peaked.tolist(), strict=True) if one]
    return {"weights": named, "polarised": polarised}
