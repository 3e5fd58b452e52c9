"""Two regressions of known relatedness: the synthetic data of Ma et al. (KDD 2018), section 3.2.

With orthogonal unit vectors u1, u2 and a scale c,

    w1 = c u1,   w2 = c (p u1 + sqrt(1 - p²) u2),   x ~ N(0, I),
    y_k = w_k·x + sum_i sin(alpha_i w_k·x + beta_i) + noise,   noise ~ N(0, 0.01) (its variance),

so that the cosine of the tasks' weights is p, and p sets how much there is to share.

Deviation: the paper gives no values of alpha, beta and c. Here alpha_i = i and
beta_i = (i - 1)² for i = 1..4, and c = 1.
"""

from __future__ import annotations

import math

import polars as pl
import torch
from torch import Tensor

from sharewise.data.catalog.entry import CatalogEntry
from sharewise.data.schema import Features
from sharewise.data.splits import ColumnSplit
from sharewise.errors import ConfigError
from sharewise.streams import stream
from sharewise.tasks import Task

NOISE = 0.1
SOURCE = "https://doi.org/10.1145/3219819.3220007"
TASKS = (
    Task("first", "regression", text="the first of two related functions"),
    Task("second", "regression", text="the second of two related functions"),
)


def load(
    p: float = 0.5, rows: int = 20_000, dim: int = 100, seed: int = 0, sines: int = 4, c: float = 1.0
) -> CatalogEntry:
    """Two regressions whose weights have cosine p, as in section 3.2 of the MMoE paper.

    Args:
        p: the cosine of the two tasks' weights, -1 to 1.
        rows: how many; of these 80 % train, 10 % validate and 10 % test.
        dim: the number of inputs, at least 2.
        seed: draws the tasks and the rows.
        sines: how many sines each label has.
        c: the scale of the weights.
    """
    _check(p, rows, dim)
    x, y = sample(p, rows, dim, seed, sines=sines, c=c)
    names = [f"x{i}" for i in range(dim)]
    columns = dict(zip([*names, *(task.name for task in TASKS)], torch.cat([x, y], 1).T.numpy(), strict=True))
    parts = ["train"] * (rows - 2 * (rows // 10)) + ["valid"] * (rows // 10) + ["test"] * (rows // 10)
    return CatalogEntry(
        name="mmoe-synthetic",
        frame=pl.DataFrame({**columns, "split": parts}),
        tasks=TASKS,
        description=f"Two synthetic regressions whose weights have cosine {p:g}.",
        source=SOURCE,
        licence="generated",
        split=ColumnSplit("split"),
        features=Features(keep=tuple(names), kinds=dict.fromkeys(names, "numeric")),
    )


def sample(
    p: float, rows: int, dim: int = 100, seed: int = 0, *, sines: int = 4, c: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Draw inputs float32 `[rows, dim]` and labels float32 `[rows, 2]`; arguments as for `load`."""
    weights = task_weights(p, dim, seed, c)
    x = torch.randn(rows, dim, generator=stream(seed, "synthetic", "x"), dtype=torch.float64)
    dot = x @ weights.T
    noise = NOISE * torch.randn(rows, 2, generator=stream(seed, "synthetic", "noise"), dtype=torch.float64)
    return x.float(), (dot + waves(dot, sines) + noise).float()


def waves(dot: Tensor, sines: int = 4) -> Tensor:
    """Return the sum of sin(alpha_i dot + beta_i), of the shape of `dot`."""
    index = torch.arange(1, sines + 1, dtype=dot.dtype)
    return torch.sin(dot.unsqueeze(-1) * index + (index - 1) ** 2).sum(-1)


def task_weights(p: float, dim: int, seed: int, c: float = 1.0) -> Tensor:
    """Return w1 and w2, float64 `[2, dim]`, of length c and cosine p."""
    generator = stream(seed, "synthetic", "weights")
    basis = torch.linalg.qr(torch.randn(dim, 2, generator=generator, dtype=torch.float64)).Q.T
    mix = torch.tensor([[1.0, 0.0], [p, math.sqrt(1 - p * p)]], dtype=torch.float64)
    weights: Tensor = c * (mix @ basis)
    return weights


def _check(p: float, rows: int, dim: int) -> None:
    if not -1 <= p <= 1:
        raise ConfigError(f"The cosine p is {p}.", "Use a number from -1 to 1.")
    if rows < 10 or dim < 2:
        raise ConfigError(f"There are {rows} rows of {dim} inputs.", "Use at least 10 rows and 2 inputs.")
