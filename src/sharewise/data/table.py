"""Table: rows of a file, encoded once into typed tensors, split, with the labels of its tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.data.batches import Batch
from sharewise.data.catalog.entry import CatalogEntry
from sharewise.data.features import Scaling
from sharewise.data.labels import encode_label, evaluate_labels, fit_task, label_expression
from sharewise.data.reading import Source, collect, scan
from sharewise.data.schema import Features, check_kinds, fit_inputs
from sharewise.data.splits import PARTS, FractionSplit, Split, check_columns
from sharewise.errors import DataError, nearest
from sharewise.tasks import Task, TaskSet


class Table:
    """A table with tasks and a split.

    Columns that a label is made of are never features, nor are the columns of the split, the weights, the
    clusters or the tasks. All that is fitted (vocabularies, scalings, classes, label scales) is fitted on the
    training rows.

    Args:
        source: a path or glob of CSV, Parquet or JSON lines, or a Polars frame.
        tasks: what to predict. With a `task_column` one task, the template of all.
        split: how rows are divided.
        features: which columns are inputs.
        task_column: disjoint data: the column that tells which task a row belongs to; one task is made for
            each of its values on the training rows, named by the value. Label scales are common to all.
        descriptor_columns: columns that describe a row's task; each row then carries its task's descriptor,
            and rows of unseen tasks in validation and test are kept (their task index is 0).
        weight: column of row weights; not negative.
        cluster: column whose rows belong together in intervals, such as the date.

    Attributes:
        tasks: the fitted tasks.
        schema: the fitted encoding.
        train, valid, test: the encoded rows.

    Raises:
        DataError: if the table and the tasks do not fit together; the message says where.
    """

    def __init__(
        self,
        source: Source,
        tasks: Sequence[Task],
        *,
        split: Split | None = None,
        features: Features | None = None,
        task_column: str | None = None,
        descriptor_columns: Sequence[str] = (),
        weight: str | None = None,
        cluster: str | None = None,
    ) -> None:
        split, features, templates = split or FractionSplit(), features or Features(), tuple(tasks)
        lazy = scan(source)
        known = lazy.collect_schema().names()
        special = [c for c in (task_column, weight, cluster, *descriptor_columns) if c]
        _check(templates, split, features, task_column, special, known)
        chosen = _feature_columns(templates, split, features, special, known)
        needed = _needed(templates, split, special, chosen, known)
        frame = collect(lazy, needed)
        if not frame.height:
            raise DataError("The table has no rows.", "Check the path, and that the file is not empty.")
        part = split.assign(frame)
        train = (part == "train").to_numpy()
        if not train.any():
            raise DataError("The training split has no rows.", "Choose another split.")
        labels = evaluate_labels(frame, templates, known)
        fitted = tuple(fit_task(t, y, train) for t, y in zip(templates, labels, strict=True))
        targets = [encode_label(t, y) for t, y in zip(fitted, labels, strict=True)]
        self.schema = fit_inputs(frame.filter(pl.Series(train)), chosen, features)
        self.tasks = TaskSet(fitted)
        if task_column:
            self._set_tasks(fitted[0], frame, train, task_column, tuple(descriptor_columns))
        self._parts = part.to_numpy()
        self._frame_clusters = None if cluster is None else frame[cluster].rank("dense").to_numpy() - 1
        self._encode(frame, targets, _weights(frame, weight))

    @staticmethod
    def from_catalog(entry: CatalogEntry) -> Table:
        """Return the table of a catalog entry: ``Table.from_catalog(catalog.load("flights"))``."""
        return Table(
            entry.frame,
            entry.tasks,
            split=entry.split,
            features=entry.features,
            task_column=entry.task_column,
            descriptor_columns=entry.descriptor_columns,
            cluster=entry.cluster,
        )

    def clusters(self, split: str) -> NDArray[np.int64] | None:
        """Return the cluster of every row of "train", "valid" or "test"; None without a cluster column."""
        return None if self._clusters is None else self._clusters[split]

    def summary(self) -> dict[str, Any]:
        """Return what a reader wants to know of the data, as plain values for JSON."""
        splits = {name: getattr(self, name) for name in PARTS}
        return {
            "rows": {name: len(batch) for name, batch in splits.items()},
            "shape": "joint" if self.train.task is None else "disjoint",
            "columns": {
                "categorical": [v.column for v in self.schema.vocabularies],
                "numeric": [s.column for s in self.schema.scalings],
            },
            "tasks": [self._task_summary(i, splits) for i in range(len(self.tasks))],
            "notes": list(self.schema.notes),
        }

    def digest(self) -> str:
        """Return a SHA-256 over the schema, the tasks and every encoded tensor."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        found = hashlib.sha256(repr((self.schema.to_dict(), self.tasks.to_dict())).encode())
        for name in PARTS:
            batch: Batch = getattr(self, name)
            tensors = [*batch.inputs.values(), batch.targets, batch.mask]
            tensors += [t for t in (batch.task, batch.weight, batch.descriptor) if t is not None]
            for tensor in tensors:
                found.update(tensor.contiguous().numpy().tobytes())
        return found.hexdigest()

    def _set_tasks(
        self,
        template: Task,
        frame: pl.DataFrame,
        train: NDArray[np.bool_],
        column: str,
        described: tuple[str, ...],
    ) -> None:
        rows = frame.filter(pl.Series(train)).with_columns(pl.col(column).cast(pl.String)).drop_nulls(column)
        means = rows.group_by(column).agg(pl.col(described).cast(pl.Float64).mean()).sort(column)
        values = tuple(means[column].to_list())
        scalings = tuple(s for s in (Scaling.fit(means[c], 2) for c in described) if s)
        scalings = tuple(replace(scaling, indicator=False) for scaling in scalings)
        self.schema = replace(self.schema, task_column=column, task_values=values, descriptors=scalings)
        z = self.schema.describe(means)
        attributes = [()] * len(values) if z is None else z.tolist()
        self.tasks = TaskSet(
            replace(template, name=value, attributes=tuple(a))
            for value, a in zip(values, attributes, strict=True)
        )

    def _encode(self, frame: pl.DataFrame, targets: list[NDArray[np.float64]], weight: Tensor | None) -> None:
        inputs, task = self.schema.encode(frame), self.schema.task_index(frame)
        z = None if task is None else self.schema.describe(frame)
        stacked = targets[0] if task is not None else np.stack(targets, axis=1)
        mask = torch.from_numpy(~np.isnan(stacked))
        values = torch.from_numpy(np.nan_to_num(stacked).astype(np.float32))
        usable = np.ones(frame.height, dtype=bool)
        if task is not None and z is None:
            usable = (task >= 0).numpy()
        task = None if task is None else task.clamp(min=0)
        whole = Batch(inputs, values, mask, task, weight, z)
        rows = {name: np.flatnonzero((self._parts == name) & usable) for name in PARTS}
        lost = int((~usable).sum())
        if lost:
            note = f"{lost} rows of tasks without training rows were left out"
            self.schema = replace(self.schema, notes=(*self.schema.notes, note))
        self.train, self.valid, self.test = (whole.take(torch.from_numpy(rows[name])) for name in PARTS)
        clusters = self._frame_clusters
        self._clusters = (
            None if clusters is None else {name: clusters[own].astype(np.int64) for name, own in rows.items()}
        )
        del self._parts, self._frame_clusters

    def _task_summary(self, i: int, splits: dict[str, Batch]) -> dict[str, Any]:
        task = self.tasks[i]
        rows = {n: b.mask[:, i] if b.task is None else b.mask & (b.task == i) for n, b in splits.items()}
        own = splits["train"].targets[:, i] if splits["train"].task is None else splits["train"].targets
        seen = own[rows["train"]].double() * task.scale + task.mean
        return {
            "name": task.name,
            "kind": task.kind.name,
            "label": task.label,
            "observed": {name: int(mask.sum()) for name, mask in rows.items()},
            "mean": float(seen.mean()) if len(seen) else None,
            "sd": float(seen.std(correction=0)) if len(seen) else None,
            "classes": list(task.classes),
        }


def _check(
    tasks: tuple[Task, ...],
    split: Split,
    features: Features,
    task_column: str | None,
    special: list[str],
    known: list[str],
) -> None:
    TaskSet(tasks)
    if task_column and len(tasks) != 1:
        raise DataError(
            f"With a task column there is one label, but {len(tasks)} tasks are given.",
            "Give one task, the template of all.",
        )
    for column in special:
        if column not in known:
            raise DataError(f"The table has no column '{column}'.", nearest(column, known))
    check_columns(split, known)
    check_kinds(features, known)


def _feature_columns(
    tasks: tuple[Task, ...], split: Split, features: Features, special: list[str], known: list[str]
) -> list[str]:
    """Return the columns that are inputs: never those that labels are made of."""
    outcomes = {root for task in tasks for root in label_expression(task, known).meta.root_names()}
    leaking = [column for column in features.keep if column in outcomes]
    if leaking:
        raise DataError(
            f"Column '{leaking[0]}' is kept as a feature, but a label is made of it.",
            "Drop it from the features, or change the label.",
        )
    out = outcomes | set(special) | set(features.drop) | (set(split.columns) - set(features.keep))
    return [column for column in features.keep or known if column not in out]


def _needed(
    tasks: tuple[Task, ...], split: Split, special: list[str], chosen: list[str], known: list[str]
) -> list[str]:
    outcomes = [root for task in tasks for root in label_expression(task, known).meta.root_names()]
    return list(dict.fromkeys([*chosen, *outcomes, *split.columns, *special]))


def _weights(frame: pl.DataFrame, column: str | None) -> Tensor | None:
    if column is None:
        return None
    values = frame[column].cast(pl.Float64, strict=False)
    wrong = values.filter(values.is_null() | ~values.is_finite() | (values < 0))
    if len(wrong):
        raise DataError(
            f"The weight column '{column}' holds {wrong[0]}.", "Use finite weights that are not negative."
        )
    return torch.from_numpy(values.to_numpy().astype(np.float32))
