"""Every row of an episode in every part it can play: more comparisons from one forward pass."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.data.episodes import Episodes
from sharewise.errors import DataError


def by_class(
    known: Float[Tensor, "tasks support size"], asked: Float[Tensor, "tasks queries size"], episodes: Episodes
) -> Float[Tensor, "tasks ways each size"]:
    """Return the features of support and query rows by class, the support rows first.

    Raises:
        DataError: if classes have different numbers of rows.
    """
    support, query = episodes.support, episodes.query
    ways = int(support.targets.max()) + 1
    parts = []
    for features, shots in ((known, support), (asked, query)):
        counts = torch.nn.functional.one_hot(shots.targets.long(), ways).sum(1)
        if shots.mask is not None or bool((counts != counts[0, 0]).any()):
            raise DataError(
                "Support and query rows can change places only where all classes have as many of them.",
                "Set exchange = false.",
            )
        order = shots.targets.argsort(dim=1, stable=True).unsqueeze(-1).expand_as(features)
        parts.append(torch.unflatten(features.gather(1, order), 1, (ways, -1)))
    return torch.cat(parts, 2)


def group_means(
    rows: Float[Tensor, "tasks ways each size"], shots: int
) -> Float[Tensor, "tasks groups ways size"]:
    """Return the means of groups of `shots` rows of every class: the first rows, the next, and so on."""
    groups = rows.shape[2] // shots
    return torch.unflatten(rows[:, :, : groups * shots], 2, (groups, shots)).mean(3).transpose(1, 2)


def outside(each: int, shots: int) -> Tensor:
    """Return ``[groups, each]``: True where a row is not of the group."""
    groups = each // shots
    return torch.arange(groups).unsqueeze(1) != torch.arange(each) // shots
