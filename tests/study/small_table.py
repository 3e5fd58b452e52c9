"""A small table with four kinds of tasks, and how its models are trained."""

from __future__ import annotations

import numpy as np
import polars as pl

from sharewise.data import Features, GroupSplit, Table
from sharewise.tasks import Task
from sharewise.train import TrainOptions

TASKS = (Task("late"), Task("delay", "regression"), Task("stops", "count"), Task("class", "multiclass"))
TRAIN = TrainOptions(epochs=2, batch_size=128, learning_rate=1e-2)


def make_frame(rows: int = 600, seed: int = 0) -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(rows, 3))
    late = (x[:, 0] + chance.normal(size=rows) > 0).astype(float)
    late[chance.random(rows) < 0.1] = np.nan
    columns = {
        "day": chance.integers(0, 30, rows),
        "late": pl.Series(late).fill_nan(None),
        "delay": 3 * x[:, 0] + x[:, 1] ** 2 + chance.normal(size=rows) + 10,
        "stops": chance.poisson(np.exp(0.4 * x[:, 1])),
        "class": np.array(["a", "b", "c"])[np.digitize(x[:, 2] + chance.normal(size=rows), [-0.5, 0.5])],
    }
    return pl.DataFrame({**{f"x{i}": x[:, i] for i in range(3)}, **columns})


def make_table(frame: pl.DataFrame | None = None) -> Table:
    return Table(
        make_frame() if frame is None else frame,
        TASKS,
        split=GroupSplit("day", 0.2, 0.3),
        features=Features(keep=("x0", "x1", "x2")),
        cluster="day",
    )
