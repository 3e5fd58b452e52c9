"""Normalisation over a task's own rows, right under stacked weights and in second order.

`torch.nn.BatchNorm2d` under `torch.func.vmap` gives a wrong second-order gradient without a word
(pytorch/functorch#534), and its running statistics mix tasks; so it is refused where it would be wrong, and
these are used:

* ``"transductive"``: mean and variance of the rows that are there, as MAML's published code does. A query
  row's prediction then depends on the other query rows.
* ``"support"``: those of the support set, for query rows too. Nothing leaks.
* ``"running"``: those of the whole batch in training, averages of these in evaluation: `BatchNorm2d`, for
  networks whose weights all tasks share.
* ``"group"``: of each row by itself (Wu & He 2018), 8 groups of channels.
* ``"none"``.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from sharewise.errors import DataError

NORMS = ("transductive", "support", "running", "group", "none")
#: Those by statistics of the rows that are there.
BY_ROWS = ("transductive", "support")
EPSILON = 1e-5
GROUPS = 8
#: Dimensions of a channel's numbers: rows, height and width.
OVER = (-4, -2, -1)


def moments(
    x: Float[Tensor, "*tasks rows channels height width"], reference: int = 0
) -> tuple[Tensor, Tensor]:
    """Return the mean and the variance of every channel over rows and places.

    Tasks are a dimension of their own, or their channels lie side by side.

    Args:
        x: what to normalise.
        reference: take the first rows only, so many; 0 for all.

    Returns:
        both ``[*tasks, 1, channels, 1, 1]``.

    Raises:
        DataError: if a channel has one number only, which has no variance.
    """
    seen = x[..., :reference, :, :, :] if reference else x
    if all(seen.shape[dimension] == 1 for dimension in OVER):
        raise DataError(
            "A task has one row, which pooling made a single pixel: it has no variance to normalise by.",
            "Use more examples, fewer blocks, or norm = 'group'.",
        )
    if torch.compiler.is_compiling():
        variance, mean = torch.var_mean(seen, OVER, correction=0, keepdim=True)
        return mean, variance
    found: tuple[Tensor, Tensor] = _Moments.apply(seen)  # type: ignore[no-untyped-call]
    return found


class _Moments(torch.autograd.Function):
    """Mean and variance, and their gradient in one pass over the rows.

    On a CPU `torch.var_mean` and the second derivative of `batch_norm` are many times slower.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        if x.device.type != "cpu":
            variance, mean = torch.var_mean(x, OVER, correction=0, keepdim=True)
            return mean, variance
        mean = x.mean(OVER, keepdim=True)
        centred = x - mean
        return mean, centred.mul_(centred).mean(OVER, keepdim=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[0], output[0])

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        x, mean = ctx.saved_tensors
        count = x.numel() // mean.numel()
        by_mean, by_variance = (slope / count for slope in slopes)
        found: Tensor = _Slope.apply(by_mean, 2 * by_variance, x, mean)  # type: ignore[no-untyped-call]
        return found


class _Slope(torch.autograd.Function):
    """offset + factor (x - mean x), whose mean is known; its gradient by the mean is part of that by x."""

    generate_vmap_rule = True

    @staticmethod
    def forward(offset: Tensor, factor: Tensor, x: Tensor, mean: Tensor) -> Tensor:
        return torch.addcmul(offset, x - mean, factor)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        _, *others = inputs
        ctx.save_for_backward(*others)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (slope,) = slopes
        factor, x, mean = ctx.saved_tensors
        count = x.numel() // mean.numel()
        total = slope.sum(OVER, keepdim=True)
        of_factor = ((x - mean) * slope).sum(OVER, keepdim=True)
        return total, of_factor, torch.addcmul(-factor * total / count, slope, factor), None


def by_group(x: Tensor, scale: Tensor, shift: Tensor, tasks: int) -> Tensor:
    """Normalise each row's groups of channels; tasks' channels lie side by side."""
    channels = x.shape[1] // tasks
    groups = GROUPS if channels % GROUPS == 0 else 1
    return F.group_norm(x, tasks * groups, scale, shift, EPSILON)
