"""Disjoint data: the tasks that a task column tells apart, with their descriptors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.data.features import Scaling, to_numbers, value_names
from sharewise.data.schema import Schema
from sharewise.errors import DataError
from sharewise.tasks import Task, TaskSet


def split_tasks(
    template: Task, schema: Schema, train: pl.DataFrame, column: str, described: tuple[str, ...]
) -> tuple[Schema, TaskSet]:
    """Return the schema and the tasks, one for each value of `column`, sorted.

    Args:
        template: fitted over the rows of all tasks: classes and label scale are common.
        schema: the inputs' encoding.
        train: the training rows with a label.
        column: tells a row's task.
        described: columns that describe a task; its descriptor is their mean over its rows, standardised
            over the tasks.

    Raises:
        DataError: if no training row has both a task and a label, or a task is called "".
    """
    named = train.select(value_names(train[column]).alias(column), *_numbers(train, described))
    means = named.drop_nulls(column).group_by(column).agg(pl.all().mean()).sort(column)
    values = tuple(means[column].to_list())
    if not values or "" in values:
        wrong = "holds an empty text" if values else "is empty wherever there is a label to train on"
        raise DataError(f"The task column '{column}' {wrong}.", "Name every row's task.")
    fitted = [Scaling.fit(means[name], 1) for name in described]
    scalings = tuple(replace(scaling, indicator=False) for scaling in fitted if scaling)
    notes = [
        f"descriptor column '{name}' was left out: it does not vary over the training tasks"
        for name, scaling in zip(described, fitted, strict=True)
        if scaling is None
    ]
    schema = replace(
        schema,
        task_column=column,
        task_values=values,
        descriptors=scalings,
        notes=(*schema.notes, *notes),
    )
    return schema, TaskSet(_tasks(template, schema, means))


def usable_rows(
    schema: Schema, task: NDArray[np.int64], named: NDArray[np.bool_], train: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which rows a model can use: those of training tasks, and later ones that are described.

    Args:
        task: each row's task, -1 if it is not one of the training tasks.
        named: whether the task column holds anything.
        train: whether the row is of the training split.
    """
    usable = task >= 0
    return usable | (named & ~train) if schema.descriptors else usable


def _tasks(template: Task, schema: Schema, means: pl.DataFrame) -> list[Task]:
    z = schema.describe(means)
    attributes = [[]] * means.height if z is None else z.tolist()
    return [
        replace(template, name=value, attributes=tuple(own))
        for value, own in zip(schema.task_values, attributes, strict=True)
    ]


def _numbers(train: pl.DataFrame, described: tuple[str, ...]) -> list[pl.Series]:
    return [pl.Series(name, to_numbers(train[name]), nan_to_null=True) for name in described]
