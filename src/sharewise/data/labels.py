"""Labels: columns or SQL expressions -> targets, and what of a task is fitted on the training rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.errors import DataError, nearest
from sharewise.tasks import Binary, Task

Array = NDArray[np.float64]


def label_expression(task: Task, known: list[str]) -> pl.Expr:
    """Return the task's label as an expression over the table's columns.

    Raises:
        DataError: if the label is neither a column nor SQL, or reads a column that is not there.
    """
    if task.label in known:
        return pl.col(task.label)
    try:
        expression = pl.sql_expr(task.label)
        roots = expression.meta.root_names()
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"The label of task '{task.name}', \"{task.label}\", is neither a column nor an SQL expression: "
            f"{str(error).splitlines()[0].rstrip('.')}.",
            'Name a column, or write a condition such as "delay > 15".',
        ) from error
    for root in roots:
        if root not in known:
            raise DataError(
                f"The label of task '{task.name}', \"{task.label}\", reads a column '{root}' that the table "
                "does not have.",
                nearest(root, known),
            )
    return expression


def evaluate_labels(frame: pl.DataFrame, tasks: tuple[Task, ...], known: list[str]) -> list[pl.Series]:
    """Return the tasks' raw labels, null where missing."""
    found = []
    for task in tasks:
        expression = label_expression(task, known)
        try:
            label = frame.select(expression.alias("label"))["label"]
        except pl.exceptions.PolarsError as error:
            raise DataError(
                f"The label of task '{task.name}', \"{task.label}\", cannot be computed: "
                f"{str(error).splitlines()[0].rstrip('.')}.",
                "Check the types of the columns in it.",
            ) from error
        found.append(label if len(label) == frame.height else label.new_from_index(0, frame.height))
    return found


def fit_task(task: Task, label: pl.Series, train: NDArray[np.bool_]) -> Task:
    """Return the task with its classes, or its mean and scale, fitted on the training rows.

    Raises:
        DataError: if the training rows hold no label, or one class only.
    """
    if task.kind.categorical:
        return _fit_classes(task, label.filter(pl.Series(train)))
    values = _numbers(task, label)[train]
    seen = values[~np.isnan(values)]
    if not len(seen):
        raise _empty(task)
    problem = task.kind.problem(seen)
    if problem:
        raise _unfit(task, problem)
    if isinstance(task.kind, Binary) and seen.min() == seen.max():
        raise DataError(
            f"The label of task '{task.name}' is {seen[0]:g} in every training row.",
            "Leave the task out, or choose a split that has both classes to train on.",
        )
    if not task.kind.standardised or (task.mean, task.scale) != (0.0, 1.0):
        return task
    scale = float(seen.std())
    return replace(task, mean=float(seen.mean()), scale=scale if scale > 0 else 1.0)


def encode_label(task: Task, label: pl.Series) -> Array:
    """Return targets ``[rows]`` as the network sees them, NaN where missing or of an unknown class.

    Raises:
        DataError: if a label does not fit the task's kind.
    """
    if task.kind.categorical:
        index = {value: float(i) for i, value in enumerate(task.classes)}
        text = label.cast(pl.String)
        return _array(text.replace_strict(index, default=None, return_dtype=pl.Float64))
    values = _numbers(task, label)
    problem = task.kind.problem(values[~np.isnan(values)])
    if problem:
        raise _unfit(task, problem)
    return np.asarray((values - task.mean) / task.scale)


def _fit_classes(task: Task, label: pl.Series) -> Task:
    if task.classes:
        return task
    classes = label.cast(pl.String).drop_nulls().unique().sort().to_list()
    if not classes:
        raise _empty(task)
    if len(classes) == 1:
        raise DataError(
            f"The label of task '{task.name}' is '{classes[0]}' in every training row.",
            "Leave the task out, or choose a split that has several classes to train on.",
        )
    return replace(task, classes=tuple(classes))


def _unfit(task: Task, problem: str) -> DataError:
    return DataError(
        f"The label of task '{task.name}' {problem}.", "Mend the label or choose another kind of task."
    )


def _empty(task: Task) -> DataError:
    return DataError(
        f"The label of task '{task.name}' is missing in every training row.",
        "Leave the task out, or choose another split.",
    )


def _numbers(task: Task, label: pl.Series) -> Array:
    if label.dtype == pl.String:
        raise DataError(
            f"The label of task '{task.name}' is text, but a {task.kind.name} label is a number.",
            "Compare it with a value, such as \"column = 'yes'\", or call the task multiclass.",
        )
    return _array(label.cast(pl.Float64, strict=False))


def _array(values: pl.Series) -> Array:
    return np.asarray(values.fill_null(float("nan")).to_numpy(), dtype=np.float64)
