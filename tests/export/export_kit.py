"""A small table of all kinds of label, and models for it."""

from __future__ import annotations

import numpy as np
import polars as pl

from sharewise import Features, Table
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.serve import Artifact
from sharewise.tasks import Task

KINDS = (
    Task("late", "binary"),
    Task("size", "regression"),
    Task("colour", "multiclass"),
    Task("visits", "count"),
    Task("early", "binary"),
)


def rows_of(count: int, seed: int = 0) -> pl.DataFrame:
    """Return rows with two categorical and two numeric columns, some values missing, and all labels."""
    chance = np.random.default_rng(seed)
    x = chance.normal(size=count)
    return pl.DataFrame(
        {
            "x": x,
            "z": np.where(chance.random(count) < 0.2, np.nan, chance.normal(size=count) * 100),
            "who": chance.choice(["ann", "bob", "cy"], count),
            "port": chance.choice(["a", "b", "c"], count),
            "late": (x > 0).astype(np.int64),
            "early": (x < 0.5).astype(np.int64),
            "size": 300 + 20 * x,
            "colour": chance.choice(["red", "green", "blue"], count),
            "visits": chance.poisson(2.0, count),
        }
    )


def artifact_of(tasks: tuple[Task, ...], options: ModelOptions, column: str | None = None) -> Artifact:
    """Return a model of first weights for a fitted table; `column` tells the tasks of rows apart."""
    features = Features(keep=("x", "z", "who") if column else ("x", "z", "who", "port"))
    table = Table(rows_of(400), list(tasks), features=features, task_column=column)
    model = MultiTaskModel(table.tasks, table.schema.inputs, options, seed=3)
    return Artifact(model.eval(), table.schema, table.tasks)
