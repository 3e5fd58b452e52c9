"""Drawing without replacement, many draws at once."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor


def distinct(
    sizes: Int[Tensor, " *draws"], count: int, generator: torch.Generator
) -> Int[Tensor, "*draws count"]:
    """Draw `count` different numbers below each of `sizes`, in random order, all sets alike.

    Floyd's and the usual ways need a loop over what was drawn; here the k-th number is drawn below size - k
    and moved past those drawn before it, in order of size: `count` small steps for all draws together.
    """
    draws = sizes.shape
    flat = sizes.reshape(-1)
    most = int(flat.max()) if flat.numel() else 0
    if most <= 4 * count + 16:  # few to choose from: the order of random numbers is a permutation
        keys = torch.rand(len(flat), most, generator=generator)
        if int(flat.min()) < most:
            keys = keys.masked_fill(torch.arange(most) >= flat.unsqueeze(1), 2.0)
        return keys.argsort(1)[:, :count].reshape(*draws, count)
    uniform = torch.rand(len(flat), count, generator=generator, dtype=torch.float64)
    left = flat.unsqueeze(1) - torch.arange(count)
    chosen = (uniform * left).long().minimum(left - 1)
    taken = torch.empty(len(flat), 0, dtype=torch.long)
    for k in range(count):
        own = chosen[:, k]
        for j in range(k):  # taken is sorted: each smaller one passed shifts the number by one
            own = own + (own >= taken[:, j]).long()
        chosen[:, k] = own
        taken = torch.cat([taken, own.unsqueeze(1)], 1).sort(1).values
    return chosen.reshape(*draws, count)
