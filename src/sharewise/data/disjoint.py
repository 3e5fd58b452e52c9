"""Disjoint data: the tasks that a task column tells apart, with their descriptors."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from sharewise.data.features import Scaling, to_numbers, value_names
from sharewise.data.schema import Schema
from sharewise.errors import DataError
from sharewise.tasks import Task, TaskSet

#: Stands for the column of texts, whatever it is called.
TEXT = "\x00text"


def split_tasks(
    template: Task,
    schema: Schema,
    train: pl.DataFrame,
    column: str,
    described: tuple[str, ...],
    text: str | None = None,
) -> tuple[Schema, TaskSet]:
    """Return the schema and the tasks, one for each value of `column`, sorted.

    Args:
        template: fitted over the rows of all tasks: classes and label scale are common.
        schema: the inputs' encoding.
        train: the training rows with a label.
        column: tells a row's task.
        described: columns that describe a task; its descriptor is their mean over its rows, standardised
            over the tasks.
        text: column that describes a task in words; its text is the first one of its rows.

    Raises:
        DataError: if no training row has both a task and a label, or a task is called "".
    """
    named = train.select(
        value_names(train[column]).alias(column), *_numbers(train, described), *_text(train, text)
    )
    first = [pl.col(TEXT).drop_nulls().first()] if text else []
    means = named.drop_nulls(column).group_by(column).agg(pl.exclude(TEXT).mean(), *first).sort(column)
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


def _tasks(template: Task, schema: Schema, means: pl.DataFrame) -> list[Task]:
    z = schema.describe(means)
    attributes = [[]] * means.height if z is None else z.tolist()
    texts = means[TEXT].to_list() if TEXT in means.columns else [template.text] * means.height
    return [
        replace(template, name=value, attributes=tuple(own), text=text or "")
        for value, own, text in zip(schema.task_values, attributes, texts, strict=True)
    ]


def _text(train: pl.DataFrame, text: str | None) -> list[pl.Series]:
    return [train[text].cast(pl.String).alias(TEXT)] if text else []


def _numbers(train: pl.DataFrame, described: tuple[str, ...]) -> list[pl.Series]:
    return [pl.Series(name, to_numbers(train[name]), nan_to_null=True) for name in described]
