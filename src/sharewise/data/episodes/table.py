"""A table whose tasks a column tells apart, divided into tasks to train on, to choose by and to test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch

from sharewise.data.episodes.pools import TaskRows
from sharewise.data.features import value_names
from sharewise.data.labels import encode_label, evaluate_labels, fit_task
from sharewise.data.reading import Source, collect, scan
from sharewise.data.roles import Roles
from sharewise.data.schema import Features, Schema, fit_inputs
from sharewise.data.splits import PARTS, GroupSplit, Split
from sharewise.errors import DataError, nearest
from sharewise.tasks import Task


@dataclass(frozen=True)
class TaskTable:
    """Tasks of a table, apart in three splits; made by `read_tasks`.

    Attributes:
        task: the label that all tasks have, with its classes or scale fitted on the training tasks' rows.
        schema: the inputs' encoding, fitted there too.
        train, valid, test: the tasks of each split; None for a split without any.
    """

    task: Task
    schema: Schema
    column: str
    train: TaskRows
    valid: TaskRows | None
    test: TaskRows | None


def read_tasks(
    source: Source,
    task: Task,
    task_column: str,
    *,
    split: Split | None = None,
    features: Features | None = None,
    order: str | None = None,
) -> TaskTable:
    """Read a table of tasks.

    Args:
        source: a path or glob, or a Polars frame.
        task: the label that all tasks share.
        task_column: whose value is a row's task.
        split: of the *tasks*: by default a tenth of them each to choose by and to test, at random. A split by
            another column must not divide a task.
        features: which columns are inputs; the task column is one only if it is kept by name.
        order: column, such as the time, by which support rows come before query rows; None draws them alike.

    Raises:
        DataError: if a task is in two splits, a column is missing, or nothing is left to train on.
    """
    split = split or GroupSplit(task_column)
    features = features or Features()
    roles = Roles((task,), split, features, task_column, (), None, None, order)
    lazy = scan(source)
    known = lazy.collect_schema().names()
    roles.check(known)
    frame = collect(lazy, roles.needed(known), source)
    if not frame.height:
        raise DataError("The table has no rows.", "Give a table with rows.")
    if order is not None:
        frame = frame.sort(order, maintain_order=True)
    part = split.assign(frame)
    _check_whole(frame, part, task_column)
    label = evaluate_labels(frame, (task,), known, part)[0]
    train = part == "train"
    fitted = fit_task(task, label, train.to_numpy())
    targets = encode_label(fitted, label)
    schema = fit_inputs(frame.filter(train), roles.inputs(known), features)
    seen = ~np.isnan(targets) & frame[task_column].is_not_null().to_numpy()
    pools = [
        _pool(
            frame, schema, fitted, targets, seen & (part == name).to_numpy(), task_column, order is not None
        )
        for name in PARTS
    ]
    if pools[0] is None:
        raise DataError("No training row has a task and a label.", "Choose another split or label.")
    return TaskTable(fitted, schema, task_column, pools[0], pools[1], pools[2])


def pool(frame: pl.DataFrame, schema: Schema, task: Task, column: str, ordered: bool = False) -> TaskRows:
    """Return the rows of a frame with labels as tasks, encoded as in training.

    Args:
        frame: rows of tasks old or new.
        schema: the inputs' encoding, as fitted.
        task: the label, as fitted.
        column: whose value is a row's task.
        ordered: the rows are in order of time.

    Raises:
        DataError: if a column is missing, or no row has a label.
    """
    if column not in frame.columns:
        raise DataError(f"The table has no column '{column}'.", nearest(column, frame.columns))
    label = evaluate_labels(frame, (task,), frame.columns, pl.Series(["test"] * frame.height))[0]
    targets = encode_label(task, label)
    seen = ~np.isnan(targets) & frame[column].is_not_null().to_numpy()
    made = _pool(frame, schema, task, targets, seen, column, ordered)
    if made is None:
        raise DataError("No row has a task and a label.", "Give support rows with labels.")
    return made


def _pool(
    frame: pl.DataFrame,
    schema: Schema,
    task: Task,
    targets: np.ndarray,
    rows: np.ndarray,
    column: str,
    ordered: bool,
) -> TaskRows | None:
    if not rows.any():
        return None
    own = frame.filter(pl.Series(rows))
    values = value_names(own[column])
    names = values.unique().sort().to_list()
    index = dict(zip(names, range(len(names)), strict=True))
    return TaskRows(
        schema.inputs,
        schema.encode(own),
        torch.from_numpy(targets[rows].astype(np.float32)),
        torch.from_numpy(values.replace_strict(index, return_dtype=pl.Int64).to_numpy().copy()),
        names,
        task.kind,
        len(task.classes),
        ordered,
    )


def _check_whole(frame: pl.DataFrame, part: pl.Series, column: str) -> None:
    several = (
        pl.DataFrame({"task": frame[column], "part": part})
        .drop_nulls("task")
        .group_by("task")
        .agg(pl.col("part").n_unique())
        .filter(pl.col("part") > 1)
    )
    if several.height:
        raise DataError(
            f"The task '{several['task'][0]}' of column '{column}' is in several splits.",
            "Split by whole tasks: a learner is tested on tasks that it has never seen.",
        )
