"""Does an export say what the library says? Checked before anything is written."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.errors import CheckpointError
from sharewise.export.example import SIZES, draw_inputs
from sharewise.export.network import Network
from sharewise.export.program import split_task
from sharewise.export.session import Engine
from sharewise.nn import MultiTaskModel
from sharewise.tasks import TaskSet
from sharewise.train import predict

#: What predictions may differ by; of standardised labels in their standard deviations, of rates by share.
TOLERANCE = 1e-5
#: Of a prediction: what float32 may round off a label whose mean is large beside its deviation.
ROUNDING = 4 * 2.0**-23


def check_agreement(engine: Engine, network: Network, model: MultiTaskModel) -> float:
    """Compare an export with the library's own predictions, on batches of several sizes.

    Args:
        engine: runs the export.
        network: that was exported.
        model: that it was made of.

    Returns:
        The largest difference.

    Raises:
        CheckpointError: if it is above 1e-5.
    """
    most = 0.0
    for rows in SIZES:
        inputs = draw_inputs(network, rows, seed=1)
        own, task = split_task(inputs)
        expected = predict(model, own, network.tasks, task)
        most = max(most, difference(engine.run(inputs), expected, network.tasks, task))
    if not most <= TOLERANCE:
        raise CheckpointError(
            f"The exported model ({engine.name}) differs from the library's predictions by {most:.1e}, more "
            f"than {TOLERANCE:.0e}.",
            "Nothing was written; please report this with the run's configuration.",
        )
    return most


def difference(
    found: Float[Tensor, "rows columns"],
    expected: Float[Tensor, "rows columns"],
    tasks: TaskSet,
    task: Tensor | None = None,
) -> float:
    """Return the largest difference of predictions, in units in which 1 is much for every kind of task.

    Standardised labels: the standard deviation. Others: 1, or the prediction itself if that is larger. What
    float32 rounds off counts for nothing.
    Infinite where shapes differ, or one is no number and the other is.
    """
    if found.shape != expected.shape or bool((found.isnan() != expected.isnan()).any()):
        return torch.inf
    unit = expected.abs().clamp(min=1.0)
    for group in tasks.groups:
        if group.kind.standardised and task is None:
            unit[:, group.columns] = tasks.scales[list(group.index)].repeat_interleave(group.width)
        elif group.kind.standardised and task is not None:
            unit = tasks.scales[task][:, None].expand_as(expected)
    apart = (found.double() - expected.double()).abs() - ROUNDING * expected.double().abs()
    return float((apart.clamp(min=0.0) / unit.double()).nan_to_num(nan=0.0).max()) if len(apart) else 0.0
