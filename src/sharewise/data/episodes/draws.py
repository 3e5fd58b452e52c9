"""Drawing without replacement, many draws at once."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor


def distinct(
    sizes: Int[Tensor, " *draws"], count: int, generator: torch.Generator
) -> Int[Tensor, "*draws count"]:
    """Draw `count` different numbers below each of `sizes`, in random order; all sequences are alike.

    No size is below `count`, none above 2³¹. The usual ways need a loop over the draws; here it is a loop
    over what each draw takes, or one sort where it takes much of what there is.
    """
    flat = sizes.reshape(-1)
    most = int(flat.max()) if flat.numel() else 0
    # The work of a draw is count² / 2 comparisons, or the sort of `most` keys; here they were measured equal.
    drawn = _of_those_left if count * count <= 32 * most else _shuffled
    return drawn(flat, most, count, generator).reshape(*sizes.shape, count)


def _shuffled(sizes: Tensor, most: int, count: int, generator: torch.Generator) -> Tensor:
    """Take the first numbers of a permutation: the order of random keys is one."""
    keys = torch.rand(len(sizes), most, generator=generator)
    if most and int(sizes.min()) < most:
        keys = keys.masked_fill(torch.arange(most) >= sizes.unsqueeze(1), 2.0)
    return keys.argsort(1)[:, :count]


def _of_those_left(sizes: Tensor, most: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw the place of each among the numbers that are left, and turn places into numbers (a Lehmer code).

    The takings are undone from the last to the first: when the number at a place is put back, those drawn
    later from that place on are one place further.
    """
    left = sizes - torch.arange(count).unsqueeze(1)
    keys = torch.rand(count, len(sizes), generator=generator, dtype=torch.float64)
    # 32 bits, and answers of the same type: comparing and adding are vectorised then.
    places = (keys * left).int().minimum(left.int() - 1)
    further = torch.empty_like(places)
    for taken in range(count - 2, -1, -1):
        later = places[taken + 1 :]
        later += torch.ge(later, places[taken], out=further[taken + 1 :])
    return places.t().long()
