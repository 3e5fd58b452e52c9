"""Prototypes: the mean of each class."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.data.episodes import Shots
from sharewise.errors import DataError
from sharewise.meta.learner import Forecast, Spec


def count_ways(support: Shots, least: int = 2) -> int:
    """Return how many classes the support sets have: one more than their largest label."""
    return max(int(support.known.max()) + 1, least)


def prototypes(
    features: Float[Tensor, "tasks rows size"], support: Shots, ways: int
) -> Float[Tensor, "tasks ways size"]:
    """Return the mean of each class's features; a class that a task has no example of is refused.

    Raises:
        DataError: if there is one.
    """
    member = torch.nn.functional.one_hot(support.known.long(), ways).to(features.dtype)
    if support.mask is not None:
        member = member * support.mask.unsqueeze(-1)
    counts = member.sum(1)
    if bool((counts == 0).any()):
        task, way = (counts == 0).nonzero()[0].tolist()
        which = "The support set" if len(counts) == 1 else f"The support set of task {task} (from 0)"
        raise DataError(
            f"{which} has no example of class {way}.",
            "Give an example of every class, or choose a learner that does not compare with them.",
        )
    return member.transpose(1, 2) @ features / counts.unsqueeze(-1)


def refuse_unseen(spec: Spec, forecast: Forecast, query: Shots) -> None:
    """Raise DataError for a query row of a class that no support set has an example of."""
    if not spec.kind.categorical or spec.classes:  # classes that are drawn for a task all have examples
        return
    last = int(query.known.max())
    if last >= forecast.outputs.shape[-1]:
        raise DataError(
            f"A query row is of class {last}, of which no support set has an example.",
            "Draw more shots, or choose a learner that does not compare with them.",
        )


def squared_distances(
    x: Float[Tensor, "tasks rows size"], y: Float[Tensor, "tasks others size"]
) -> Float[Tensor, "tasks rows others"]:
    """Return |x - y|² for all pairs."""
    cross = x @ y.transpose(1, 2)
    return x.square().sum(-1, keepdim=True) - 2 * cross + y.square().sum(-1).unsqueeze(1)


def as_outputs(scores: Float[Tensor, "tasks rows ways"], categorical: bool) -> Tensor:
    """Return scores of classes as outputs; of two classes of a binary label as one logit."""
    return scores if categorical else scores[..., 1:] - scores[..., :1]
