"""Tables for the tests of the data layer."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch

from sharewise.data import Batch

COLORS = ("red", "green", "blue", None)


def mixed(rows: int = 300, seed: int = 0) -> pl.DataFrame:
    """One column of every sort, in no particular order, with gaps."""
    rng = np.random.default_rng(seed)
    x = rng.normal(5, 2, rows)
    size = rng.integers(0, 40, rows)
    return pl.DataFrame(
        {
            "key": rng.permutation(rows),
            "color": [COLORS[i] for i in rng.choice(4, rows, p=[0.5, 0.2, 0.2, 0.1])],
            "x": np.where(rng.random(rows) < 0.1, np.nan, x),
            "size": size,
            "when": np.datetime64("2020-01-01", "ms") + rng.integers(0, 9 * 10**9, rows),
            "member": rng.random(rows) < 0.3,
            "y": np.where(rng.random(rows) < 0.1, np.nan, 2 * x + rng.normal(size=rows)),
            "sort": rng.choice(["a", "b", "c"], rows),
            "part": rng.choice(["train", "valid", "test"], rows, p=[0.6, 0.2, 0.2]),
        },
        schema_overrides={"color": pl.String},
    ).with_columns(pl.col("x", "y").fill_nan(None))


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    """All tensors of a batch by name."""
    named = {**batch.inputs, "targets": batch.targets, "mask": batch.mask}
    others = {"task": batch.task, "weight": batch.weight, "descriptor": batch.descriptor}
    return named | {name: value for name, value in others.items() if value is not None}


def same(first: Batch, second: Batch) -> bool:
    """Whether two batches are equal in every bit."""
    a, b = tensors(first), tensors(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
