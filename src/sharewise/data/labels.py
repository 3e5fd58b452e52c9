"""Labels: columns or SQL expressions -> targets, and what of a task is fitted on the training rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.data.splits import PARTS
from sharewise.errors import DataError, nearest
from sharewise.tasks import Binary, Task

Array = NDArray[np.float64]


def label_columns(task: Task, known: list[str]) -> list[str]:
    """Return the columns that the task's label is made of, each once.

    Raises:
        DataError: if the label cannot be read; see `label_expression`.
    """
    return list(dict.fromkeys(label_expression(task, known).meta.root_names()))


def label_expression(task: Task, known: list[str]) -> pl.Expr:
    """Return the task's label as an expression over the table's columns.

    Raises:
        DataError: if the label is neither a column nor SQL, or reads no column or one that is not there.
    """
    if task.label in known:
        return pl.col(task.label)
    try:
        expression = pl.sql_expr(task.label)
        roots = expression.meta.root_names()
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{_named(task)} is neither a column nor an SQL expression: {_first_line(error)}.",
            f'Name a column, or write a condition such as "delay > 15". {nearest(task.label, known)}',
        ) from error
    for root in roots:
        if root not in known:
            raise DataError(
                f"{_named(task)} reads a column '{root}' that the table does not have.", nearest(root, known)
            )
    if expression.meta != expression.meta.undo_aliases().meta:  # SQL reads "delay 15" as delay, named 15
        raise DataError(
            f"{_named(task)} gives its result another name.",
            f'Write an expression alone, such as "delay > 15"; is an operator missing in "{task.label}"?',
        )
    if not roots:  # also keeps out COLUMNS('...'), whose columns would stay among the features
        raise DataError(f"{_named(task)} reads no column.", "Name the columns in it one by one.")
    return expression


def evaluate_labels(
    frame: pl.DataFrame, tasks: tuple[Task, ...], known: list[str], part: pl.Series
) -> list[pl.Series]:
    """Return the tasks' raw labels, null where missing.

    Args:
        part: the split of each row. A label must be a function of its own row: computed on each part alone it
            must come out the same, or what is trained on would know of the rows that judge it.

    Raises:
        DataError: if a label cannot be computed, or looks at other rows.
    """
    parts = [(part == name, frame.filter(part == name)) for name in PARTS]
    return [_evaluate(frame, parts, task, label_expression(task, known)) for task in tasks]


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
    _check_values(task, seen)
    if isinstance(task.kind, Binary) and seen.min() == seen.max():
        raise _single(task, f"{seen[0]:g}")
    return _standardise(task, seen) if task.kind.standardised else task


def encode_label(task: Task, label: pl.Series) -> Array:
    """Return targets ``[rows]`` as the network sees them, NaN where missing or of an unknown class.

    Raises:
        DataError: if a label does not fit the task's kind.
    """
    if task.kind.categorical:
        index = {value: float(i) for i, value in enumerate(task.classes)}
        return _array(_text(task, label).replace_strict(index, default=None, return_dtype=pl.Float64))
    values = _numbers(task, label)
    _check_values(task, values[~np.isnan(values)])
    found = (values - task.mean) / task.scale
    if (np.abs(found) > np.finfo(np.float32).max).any():
        raise _unfit(task, f"holds the value {values[np.nanargmax(np.abs(found))]:g}, which is too large")
    return np.asarray(found)


def _evaluate(
    frame: pl.DataFrame, parts: list[tuple[pl.Series, pl.DataFrame]], task: Task, expression: pl.Expr
) -> pl.Series:
    whole = _compute(frame, task, expression)
    for own, rows in parts:
        if not whole.filter(own).equals(_compute(rows, task, expression)):
            raise DataError(
                f"{_named(task)} looks at other rows than its own, so training would know of test rows.",
                "Write it as a function of one row, without averages, windows or shifts.",
            )
    return whole


def _compute(frame: pl.DataFrame, task: Task, expression: pl.Expr) -> pl.Series:
    try:
        label = frame.select(expression.alias("label"))["label"]
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{_named(task)} cannot be computed: {_first_line(error)}.",
            "Check the types of the columns in it.",
        ) from error
    if len(label) == frame.height:
        return label
    return label.new_from_index(0, frame.height) if len(label) else label


def _standardise(task: Task, seen: Array) -> Task:
    if (task.mean, task.scale) != (0.0, 1.0):
        return task  # fitted before, or set by the user
    if seen.min() == seen.max():  # the deviation would be a rounding error, not 0
        return replace(task, mean=float(seen[0]))
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(seen.mean()), float(seen.std())
    if not (np.isfinite(mean) and np.isfinite(scale)):
        raise _unfit(task, f"holds the value {seen[np.abs(seen).argmax()]:g}, which is too large")
    return replace(task, mean=mean, scale=scale if scale > 0 else 1.0)


def _fit_classes(task: Task, label: pl.Series) -> Task:
    seen = label.drop_nulls().unique()
    if not len(seen):
        raise _empty(task)
    # Sorted as what they are, so that class 10 comes after class 9.
    classes = _text(task, seen.sort() if not seen.dtype.is_nested() else seen).to_list()
    if task.classes:
        if set(classes).isdisjoint(task.classes):
            raise DataError(
                f"No training row has a class of task '{task.name}'; one holds '{classes[0]}'.",
                f"Correct the classes ({', '.join(task.classes[:5])}), or leave them out to have them found.",
            )
        return task
    if len(classes) == 1:
        raise _single(task, f"'{classes[0]}'")
    return replace(task, classes=tuple(classes))


def _check_values(task: Task, seen: Array) -> None:
    problem = task.kind.problem(seen)
    if problem is None and np.isinf(seen).any():
        problem = "holds an infinite value"
    if problem:
        raise _unfit(task, problem)


def _numbers(task: Task, label: pl.Series) -> Array:
    if label.dtype in (pl.String, pl.Categorical, pl.Enum):
        raise DataError(
            f"The label of task '{task.name}' is text, but a {task.kind.name} label is a number.",
            "Compare it with a value, such as \"column = 'yes'\", or call the task multiclass.",
        )
    _check_plain(task, label)
    return _array(label.cast(pl.Float64, strict=False))


def _text(task: Task, label: pl.Series) -> pl.Series:
    _check_plain(task, label)
    text: pl.Series = label.cast(pl.String)
    return text


def _check_plain(task: Task, label: pl.Series) -> None:
    if label.dtype.is_nested() or label.dtype in (pl.Binary, pl.Object):
        raise _unfit(task, f"is of type {label.dtype}, which is neither a number nor text")


def _array(values: pl.Series) -> Array:
    return np.asarray(values.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _named(task: Task) -> str:
    return f"The label of task '{task.name}', \"{task.label}\","


def _unfit(task: Task, problem: str) -> DataError:
    return DataError(
        f"The label of task '{task.name}' {problem}.", "Mend the label or choose another kind of task."
    )


def _empty(task: Task) -> DataError:
    return DataError(
        f"The label of task '{task.name}' is missing in every training row.",
        "Leave the task out, or choose another split.",
    )


def _single(task: Task, value: str) -> DataError:
    return DataError(
        f"The label of task '{task.name}' is {value} in every training row.",
        "Leave the task out, or choose a split with several classes to train on.",
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
