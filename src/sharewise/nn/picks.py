"""Which copy of a stacked layer each row goes through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Blocks:
    """Rows sorted by copy into equally deep blocks, each of one copy, padded with zeros.

    Attributes:
        copy: the copy of each block ``[blocks]``.
        slot: the place of each row in the flat ``[blocks * depth]``.
        depth: rows a block.
    """

    copy: Int[Tensor, " blocks"]
    slot: Int[Tensor, " rows"]
    depth: int

    def pack(self, x: Float[Tensor, "rows features"]) -> Float[Tensor, "blocks depth features"]:
        """Lay rows into their blocks."""
        flat = x.new_zeros(len(self.copy) * self.depth, x.shape[1]).index_copy(0, self.slot, x)
        return flat.view(len(self.copy), self.depth, x.shape[1])

    def unpack(self, x: Float[Tensor, "blocks depth features"]) -> Float[Tensor, "rows features"]:
        """Take rows back out of their blocks."""
        return x.flatten(0, 1).index_select(0, self.slot)


class Picks:
    """One copy per row; the sort into blocks is done once and used by every layer.

    Args:
        copy: int64 ``[rows]``, which copy each row goes through.
        copies: how many copies there are.
    """

    def __init__(self, copy: Int[Tensor, " rows"], copies: int) -> None:
        self.copy = copy
        self.copies = copies

    def __len__(self) -> int:
        return len(self.copy)

    @cached_property
    def blocks(self) -> Blocks:
        """The rows in blocks at most about twice as deep as tasks have rows on average.

        A copy with many rows takes several blocks, so padding stays below three times the rows however
        unevenly copies are picked.
        """
        counts = torch.bincount(self.copy, minlength=self.copies)
        depth = self._depth(counts)
        blocks_of = (counts + depth - 1) // depth
        first_block = blocks_of.cumsum(0) - blocks_of
        order = torch.argsort(self.copy, stable=True)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device)
        within = place - (counts.cumsum(0) - counts)[self.copy]
        slot = first_block[self.copy] * depth + within
        return Blocks(torch.repeat_interleave(blocks_of), slot, depth)

    def _depth(self, counts: Int[Tensor, " copies"]) -> int:
        present, deepest = torch.stack([(counts > 0).sum(), counts.max()]).tolist()
        twice_the_mean = -(-2 * len(self.copy) // max(int(present), 1))
        return max(1, min(int(deepest), twice_the_mean))

    def spread(self, width: int) -> Picks:
        """Return picks of every row's `width` sub-copies, row after row: those of c are ``c * width + j``."""
        if width == 1:
            return self
        inner = torch.arange(width, device=self.copy.device)
        return Picks((self.copy[:, None] * width + inner).flatten(), self.copies * width)

    def repeat(self, times: int) -> Picks:
        """Return the picks with every row `times` times, one after another."""
        return self if times == 1 else Picks(self.copy.repeat_interleave(times), self.copies)


def pick(x: Float[Tensor, "copies rows features"], picks: Picks) -> Float[Tensor, "rows features"]:
    """Take each row's own copy from what all copies gave."""
    return x[picks.copy, torch.arange(len(picks), device=x.device)]
