"""Drawing without replacement, many draws at once."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor


def distinct(
    sizes: Int[Tensor, " *draws"], count: int, generator: torch.Generator
) -> Int[Tensor, "*draws count"]:
    """Draw `count` different numbers below each of `sizes`, in random order; all sequences are alike.

    No size is below `count`. The usual ways need a loop over what was drawn; here it is one sort where there
    are few numbers to choose from, and draws with replacement without what comes again where there are many.
    """
    flat = sizes.reshape(-1)
    most = int(flat.max()) if flat.numel() else 0
    drawn = _shuffled if most <= 4 * count + 16 else _without_repeats
    return drawn(flat, most, count, generator).reshape(*sizes.shape, count)


def _shuffled(sizes: Tensor, most: int, count: int, generator: torch.Generator) -> Tensor:
    """Take the first numbers of a permutation: the order of random keys is one."""
    keys = torch.rand(len(sizes), most, generator=generator)
    if most and int(sizes.min()) < most:
        keys = keys.masked_fill(torch.arange(most) >= sizes.unsqueeze(1), 2.0)
    return keys.argsort(1)[:, :count]


def _without_repeats(sizes: Tensor, most: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw with replacement and leave out what comes again, until there are enough numbers everywhere.

    What is left of the sequence has the law of draws without replacement, however long it had to be.
    """
    scale = sizes.unsqueeze(1)
    drawn = torch.empty(len(sizes), 0, dtype=torch.long)
    while True:
        more = torch.rand(len(sizes), count + count // 4 + 2, generator=generator, dtype=torch.float64)
        drawn = torch.cat([drawn, (more * scale).long().minimum(scale - 1)], 1)
        ranked, places = drawn.sort(dim=1, stable=True)
        again = torch.zeros_like(drawn, dtype=torch.bool)
        again.scatter_(1, places[:, 1:], ranked[:, 1:] == ranked[:, :-1])
        if int(again.sum(1).max()) <= drawn.shape[1] - count:
            return drawn.gather(1, again.long().argsort(dim=1, stable=True)[:, :count])
