"""Drop-out that does not depend on how the rows of a batch are spread over processes.

A mask is drawn for the *global* batch and cut to the rows that are here, so two processes that hold the
halves of a batch, and draw from equal generators, apply exactly the masks of one process that holds it whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn


def _same(value: Tensor) -> Tensor:
    return value


@dataclass(frozen=True)
class RowShard:
    """Which rows of the global batch are here: `rows` of them from `start`, of `total`.

    Attributes:
        generator: where masks are drawn from, equal in all processes; None means torch's own.
        average: the mean of a tensor over the processes, with gradients (for losses of batch statistics).
    """

    start: int
    rows: int
    total: int
    generator: torch.Generator | None = None
    average: Callable[[Tensor], Tensor] = _same


_current: ContextVar[RowShard | None] = ContextVar("row_shard", default=None)


@contextmanager
def row_shard(shard: RowShard) -> Iterator[None]:
    """Draw masks for `shard` inside the ``with`` block."""
    token = _current.set(shard)
    try:
        yield
    finally:
        _current.reset(token)


def current_shard() -> RowShard | None:
    """Return which rows of the global batch are here; None if all are."""
    return _current.get()


def batch_average(value: Tensor) -> Tensor:
    """Return the mean over all processes of a statistic of the rows that are here."""
    shard = _current.get()
    return value if shard is None else shard.average(value)


def keep_mask(like: Tensor, keep: float, rows_dim: int | None = -2) -> Tensor:
    """Draw a mask of ones (with probability `keep`) and zeros of the shape and type of `like`.

    Args:
        like: a tensor whose dimension `rows_dim` runs over the batch's rows, or over equally many
            consecutive entries for each row (members, experts).
        keep: probability of 1.
        rows_dim: the dimension of rows; None if there is none and all processes share the mask.
    """
    shard = _current.get()
    if shard is None or rows_dim is None:
        return _bernoulli(like, list(like.shape), keep, None if shard is None else shard.generator)
    each = like.shape[rows_dim] // shard.rows
    shape = list(like.shape)
    shape[rows_dim] = shard.total * each
    whole = _bernoulli(like, shape, keep, shard.generator)
    return whole.narrow(rows_dim, shard.start * each, shard.rows * each)


def _bernoulli(like: Tensor, shape: list[int], keep: float, generator: torch.Generator | None) -> Tensor:
    """Draw ones with probability `keep`.

    On a CPU `bernoulli_` draws number by number and takes longer than the layers around it. Four numbers of
    16 bits from one draw of 64 take a quarter of its time; `keep` is met to 1/131,072.
    """
    if like.device.type != "cpu":
        return like.new_empty(shape).bernoulli_(keep, generator=generator)
    count = math.prod(shape)
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    below = min(round(keep * 2**16), 2**16 - 1) - 2**15
    return words.view(torch.int16)[:count].lt_(below).to(like.dtype).view(shape)


class Dropout(nn.Module):
    """Inverted drop-out (Srivastava et al. 2014) on ``[..., rows, features]``, aware of `RowShard`."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        keep = 1.0 - self.rate
        return x * keep_mask(x, keep).div_(keep)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"
