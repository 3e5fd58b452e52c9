"""What a reader wants to know of a table, as plain values for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.data.batches import Batch
from sharewise.data.schema import Schema
from sharewise.data.splits import PARTS, Split, TimeSplit
from sharewise.tasks import Task, TaskSet

Array = NDArray[np.float64]


def summarise(schema: Schema, tasks: TaskSet, splits: Mapping[str, Batch]) -> dict[str, Any]:
    """Return rows, columns and, for each task, its labels: how many, their mean and deviation in training."""
    counts = {name: _moments(batch, len(tasks))[0] for name, batch in splits.items()}
    return {
        "rows": {name: len(batch) for name, batch in splits.items()},
        "shape": "joint" if splits["train"].task is None else "disjoint",
        "columns": {
            "categorical": [v.column for v in schema.vocabularies],
            "numeric": [s.column for s in schema.scalings],
        },
        "tasks": _tasks(tasks, splits["train"], counts),
    }


def time_ranges(split: Split, frame: pl.DataFrame, part: pl.Series) -> dict[str, list[str]]:
    """Return the first and last time of each part, where rows are split by time; else nothing."""
    if not isinstance(split, TimeSplit):
        return {}
    times = {name: frame[split.column].filter(part == name) for name in PARTS}
    return {name: [str(own.min()), str(own.max())] for name, own in times.items() if len(own)}


def _tasks(tasks: TaskSet, train: Batch, counts: dict[str, Array]) -> list[dict[str, Any]]:
    _, means, deviations = _moments(train, len(tasks))
    return [
        {
            "name": task.name,
            "kind": task.kind.name,
            "label": task.label,
            "observed": {name: int(own[i]) for name, own in counts.items()},
            "mean": _number(means[i], task.scale, task.mean),
            "sd": _number(deviations[i], task.scale),
            "classes": list(task.classes),
            **({"shares": _shares(task, train, i)} if task.kind.categorical else {}),
        }
        for i, task in enumerate(tasks)
    ]


def _moments(batch: Batch, tasks: int) -> tuple[Array, Array, Array]:
    """Return per task the number of labels, their mean and their standard deviation, `[tasks]` each."""
    y, mask = batch.targets.double().numpy(), batch.mask.numpy()
    if batch.task is None:
        rows, which = np.nonzero(mask)
        seen = y[rows, which]
    else:
        which, seen = batch.task.numpy()[mask], y[mask]
    counts = np.bincount(which, minlength=tasks).astype(np.float64)
    with np.errstate(invalid="ignore"):
        means = np.bincount(which, seen, tasks) / counts
        squares = np.bincount(which, (seen - means[which]) ** 2, tasks) / counts
    return counts, means, np.sqrt(squares)


def _shares(task: Task, train: Batch, i: int) -> list[float]:
    own = train.mask[:, i] if train.task is None else train.mask & (train.task == i)
    targets = train.targets[:, i] if train.task is None else train.targets
    counts = np.bincount(targets[own].long().numpy(), minlength=len(task.classes))
    return [float(n) for n in counts / max(int(counts.sum()), 1)]


def _number(value: float, scale: float, mean: float = 0.0) -> float | None:
    return float(value * scale + mean) if np.isfinite(value) else None
