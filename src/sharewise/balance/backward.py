"""One backward pass of the weighted sum of the losses."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.balance.weighting import Weighting


def backward(
    losses: Float[Tensor, " tasks"],
    penalty: Float[Tensor, ""],
    weighting: Weighting,
    *,
    measured: Float[Tensor, " tasks"] | None = None,
    share: float = 1.0,
) -> Float[Tensor, ""]:
    """Add the gradients of ``share * (weights · losses + penalty)`` to the parameters.

    Args:
        losses: times the tasks' own weights, with their graph.
        penalty: a scalar that no task owns, added as it is.
        weighting: gives the weights.
        measured: the losses that the weighting should see, where `losses` is but this process's part of them.
        share: of a larger step: 1 / accumulated batches.

    Returns:
        The differentiated value, detached.
    """
    weights = weighting(losses.detach() if measured is None else measured)
    total = torch.dot(weights, losses) + penalty
    (total if share == 1.0 else total * share).backward()  # type: ignore[no-untyped-call]
    return total.detach()
