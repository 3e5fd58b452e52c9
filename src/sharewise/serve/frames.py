"""Predictions as a table: columns by task, classes by name."""

from __future__ import annotations

import polars as pl
from jaxtyping import Float
from torch import Tensor

from sharewise.data.roles import PREDICTION
from sharewise.tasks import Task, TaskSet
from sharewise.train import split_by_task


def joint_frame(values: Float[Tensor, "rows columns"], tasks: TaskSet) -> pl.DataFrame:
    """Return joint predictions, laid out as `sharewise.predict` gives them, as a table."""
    columns: dict[str, pl.Series] = {}
    for name, own in split_by_task(values, tasks).items():
        columns.update(columns_of(tasks[name], name, own))
    return pl.DataFrame(columns)


def disjoint_frame(values: Float[Tensor, "rows width"], tasks: TaskSet, names: pl.Series) -> pl.DataFrame:
    """Return disjoint predictions beside the column that tells each row's task."""
    # The tasks of a disjoint table are made from one template: they have kind and classes in common.
    return pl.DataFrame({names.name: names, **columns_of(tasks[0], PREDICTION, values)})


def columns_of(task: Task, name: str, own: Float[Tensor, "rows width"]) -> dict[str, pl.Series]:
    """Return the columns of one task's predictions: of classes the likeliest, and every probability."""
    if not task.kind.categorical:
        return {name: pl.Series(own[:, 0].numpy())}
    likeliest = pl.Series(task.classes).gather(own.argmax(1).numpy())
    shares = {f"{name}={label}": pl.Series(own[:, i].numpy()) for i, label in enumerate(task.classes)}
    return {name: likeliest, **shares}
