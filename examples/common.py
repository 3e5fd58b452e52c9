"""Small made-up data for the examples: labels that share features, or do not."""

from __future__ import annotations

import numpy as np
import polars as pl


def related(rows: int, cosine: float, seed: int = 0, inputs: int = 8, noise: float = 0.3) -> pl.DataFrame:
    """Two labels, each a wave along a direction of x; the cosine of the directions relates them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, inputs))
    first = np.eye(inputs)[0]
    second = cosine * first + np.sqrt(1 - cosine**2) * np.eye(inputs)[1]
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(inputs)})
    labels = {
        name: np.sin(2 * x @ direction) + x @ direction + noise * rng.normal(size=rows)
        for name, direction in (("first", first), ("second", second))
    }
    return frame.with_columns(**{name: pl.Series(y) for name, y in labels.items()})


def readers(rows: int, people: int, seed: int = 0) -> pl.DataFrame:
    """Mails of readers who differ in what they call spam: a row belongs to one task, its reader."""
    rng = np.random.default_rng(seed)
    reader, x = rng.integers(0, people, size=rows), rng.normal(size=(rows, 4))
    taste = np.linspace(-1, 1, people)
    spam = x[:, 0] + 2 * taste[reader] * x[:, 1] > 0
    columns = {f"x{i}": x[:, i] for i in range(4)}
    return pl.DataFrame(
        {**columns, "reader": [f"r{i}" for i in reader], "taste": taste[reader], "spam": spam}
    )
