"""One network from an ensemble's members: it predicts the mean of theirs, as TabM does (ICLR 2025)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sharewise.tasks import TaskSet


def pool(
    outputs: Float[Tensor, "members rows columns"],
    tasks: TaskSet,
    task: Int[Tensor, " rows"] | None = None,
) -> Float[Tensor, "rows columns"]:
    """Return outputs whose predictions are the means of the members' predictions.

    Outputs and not predictions, so that the losses and the metrics of an ensemble speak of the same network.

    Args:
        outputs: as a `MultiTaskModel` with members gives them, joint or disjoint.
        tasks: the fitted tasks.
        task: each row's task, for disjoint data.
    """
    pooled = torch.zeros_like(outputs[0])
    for group in tasks.groups:
        if task is None:
            own = outputs[..., group.columns].view(*outputs.shape[:2], len(group.index), group.width)
            pooled[:, group.columns] = group.kind.pool(own).flatten(1)
        else:
            rows = torch.isin(task, torch.tensor(group.index, device=task.device)).nonzero()[:, 0]
            pooled[rows, : group.width] = group.kind.pool(outputs[:, rows, : group.width])
    return pooled
