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

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

NORMS = ("transductive", "support", "running", "group", "none")
EPSILON = 1e-5
GROUPS = 8


def over_rows(
    x: Float[Tensor, "rows channels height width"], scale: Tensor, shift: Tensor, reference: int
) -> Tensor:
    """Normalise channels (those of several tasks side by side) by their mean and variance over rows.

    Args:
        x: rows of all tasks' channels.
        scale, shift: ``[channels]``.
        reference: take the statistics of the first rows only, so many; 0 for all.
    """
    if not reference or reference == len(x):
        return F.batch_norm(x, None, None, scale, shift, training=True, eps=EPSILON)
    variance, mean = torch.var_mean(x[:reference], (0, 2, 3), correction=0)
    factor = scale * (variance + EPSILON).rsqrt()
    offset = shift - mean * factor
    return x * factor.view(1, -1, 1, 1) + offset.view(1, -1, 1, 1)


def by_group(x: Tensor, scale: Tensor, shift: Tensor, tasks: int) -> Tensor:
    """Normalise each row's groups of channels; tasks' channels lie side by side."""
    channels = x.shape[1] // tasks
    groups = GROUPS if channels % GROUPS == 0 else 1
    return F.group_norm(x, tasks * groups, scale, shift, EPSILON)
