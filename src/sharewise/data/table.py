"""Table: rows of a file, encoded once into typed tensors, split, with the labels of its tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from sharewise.data.batches import Batch
from sharewise.data.catalog.entry import CatalogEntry
from sharewise.data.disjoint import split_tasks
from sharewise.data.labels import encode_label, evaluate_labels, fit_task
from sharewise.data.reading import Source, collect, scan
from sharewise.data.roles import Roles, row_clusters, row_weights
from sharewise.data.schema import Features, Schema, fit_inputs
from sharewise.data.splits import PARTS, FractionSplit, Split, check_sizes
from sharewise.data.summary import summarise, time_ranges
from sharewise.errors import DataError
from sharewise.tasks import Task, TaskSet

Mask = NDArray[np.bool_]


class Table:
    """A table with tasks and a split.

    Columns that a label is made of are never features; nor, unless kept by name, are the columns of the
    split, the weights, the clusters, the tasks and their descriptors. All that is fitted (vocabularies,
    scalings, classes, label scales) is fitted on the training rows.

    Args:
        source: a path or glob of CSV, Parquet or JSON lines, or a Polars frame.
        tasks: what to predict. With a `task_column` one task, the template of all.
        split: how rows are divided.
        features: which columns are inputs.
        task_column: disjoint data: the column that tells which task a row belongs to; one task is made for
            each of its values on the labelled training rows, named by the value. Classes and label scales are
            common to all. Rows of other tasks are left out, with a note.
        descriptor_columns: columns that describe a row's task; each row then carries its task's descriptor.
            Test rows of tasks that were not trained on are kept apart, as `unseen`.
        descriptor_text: column that describes a row's task in words, for ``descriptor = "text"``.
        weight: column of row weights; not negative.
        cluster: column whose rows belong together in intervals, such as the date.

    Attributes:
        tasks: the fitted tasks.
        schema: the fitted encoding; a function of the training rows alone.
        train, valid, test: the encoded rows, all of training tasks.
        unseen: the test split's rows of other tasks, if they are described; their task index says nothing.
        notes: what was left out, and why, in all splits.

    Raises:
        DataError: if the table and the tasks do not fit together; the message says where.

    Example:
        >>> table = Table("flights.csv", [Task("late", label="arr_delay > 15")])
        >>> table.train.targets.shape
    """

    tasks: TaskSet
    schema: Schema
    train: Batch
    valid: Batch
    test: Batch
    unseen: Batch
    notes: tuple[str, ...]

    def __init__(
        self,
        source: Source,
        tasks: Sequence[Task],
        *,
        split: Split | None = None,
        features: Features | None = None,
        task_column: str | None = None,
        descriptor_columns: Sequence[str] = (),
        descriptor_text: str | None = None,
        weight: str | None = None,
        cluster: str | None = None,
    ) -> None:
        split, features = split or FractionSplit(), features or Features()
        described = tuple(descriptor_columns)
        roles = Roles(tuple(tasks), split, features, task_column, described, descriptor_text, weight, cluster)
        lazy = scan(source)
        known = lazy.collect_schema().names()
        roles.check(known)
        frame = collect(lazy, roles.needed(known), source)
        if not frame.height:
            raise DataError("The table has no rows.", "Check the path, and that the file is not empty.")
        part = split.assign(frame)
        parts = {name: (part == name).to_numpy() for name in PARTS}
        check_sizes(split, _sizes(parts))
        self._times = time_ranges(split, frame, part)
        targets = self._fit(roles, frame, known, part)
        self._encode(roles, frame, targets, parts)

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
            descriptor_text=entry.descriptor_text,
            cluster=entry.cluster,
        )

    def clusters(self, split: str) -> NDArray[np.int64] | None:
        """Return the cluster of every row of a split, or of "unseen"; None without a cluster column."""
        return None if self._clusters is None else self._clusters[split]

    def summary(self) -> dict[str, Any]:
        """Return what a reader wants to know of the data, as plain values for JSON."""
        found = summarise(self.schema, self.tasks, self._splits)
        times = {"times": self._times} if self._times else {}
        return {**found, **times, "notes": list(self.notes)}

    def digest(self) -> str:
        """Return a SHA-256 over the schema, the tasks and every encoded tensor."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        found = hashlib.sha256(repr((self.schema.to_dict(), self.tasks.to_dict())).encode())
        for batch in (*self._splits.values(), self.unseen):
            tensors = [*batch.inputs.values(), batch.targets, batch.mask]
            tensors += [t for t in (batch.task, batch.weight, batch.descriptor) if t is not None]
            for tensor in tensors:
                found.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
                found.update(tensor.contiguous().numpy().data)
        return found.hexdigest()

    @property
    def _splits(self) -> dict[str, Batch]:
        return {"train": self.train, "valid": self.valid, "test": self.test}

    def _fit(
        self, roles: Roles, frame: pl.DataFrame, known: list[str], part: pl.Series
    ) -> list[NDArray[np.float64]]:
        """Fit tasks and schema on the training rows; return the targets of all rows."""
        train = part == "train"
        labels = evaluate_labels(frame, roles.tasks, known, part)
        fitted = tuple(fit_task(t, y, train.to_numpy()) for t, y in zip(roles.tasks, labels, strict=True))
        targets = [encode_label(t, y) for t, y in zip(fitted, labels, strict=True)]
        self.schema = fit_inputs(frame.filter(train), roles.inputs(known), roles.features)
        self.tasks = TaskSet(fitted)
        if roles.task_column:
            labelled = frame.filter(train & pl.Series(~np.isnan(targets[0])))
            self.schema, self.tasks = split_tasks(
                fitted[0],
                self.schema,
                labelled,
                roles.task_column,
                roles.descriptor_columns,
                roles.descriptor_text,
            )
        return targets

    def _encode(
        self, roles: Roles, frame: pl.DataFrame, targets: list[NDArray[np.float64]], parts: dict[str, Mask]
    ) -> None:
        task = self.schema.task_index(frame)
        stacked = np.stack(targets, axis=1) if task is None else targets[0]
        whole = Batch(
            self.schema.encode(frame),
            torch.from_numpy(np.nan_to_num(stacked).astype(np.float32)),
            torch.from_numpy(~np.isnan(stacked)),
            None if task is None else task.clamp(min=0),
            row_weights(frame, roles.weight),
            None if task is None else self.schema.describe(frame),
        )
        kept, unseen = parts, np.zeros(len(frame), dtype=bool)
        if task is not None and roles.task_column:
            known = task.numpy() >= 0
            if self.schema.descriptors:
                unseen = parts["test"] & ~known & frame[roles.task_column].is_not_null().to_numpy()
            kept = {name: own & known for name, own in parts.items()}
        self.notes = (*self.schema.notes, *_lost(parts, kept, unseen))
        self.unseen = whole.take(torch.from_numpy(np.flatnonzero(unseen)))
        self.train, self.valid, self.test = (
            whole.take(torch.from_numpy(np.flatnonzero(kept[n]))) for n in PARTS
        )
        if self.train.weight is not None and not self.train.weight.any():
            raise DataError(
                f"The weight column '{roles.weight}' is 0 in every training row.", "Use positive weights."
            )
        clusters = row_clusters(frame, roles.cluster)
        rows = {**kept, "unseen": unseen}
        self._clusters = None if clusters is None else {name: clusters[own] for name, own in rows.items()}


def _sizes(parts: dict[str, Mask]) -> dict[str, int]:
    return {name: int(own.sum()) for name, own in parts.items()}


def _lost(parts: dict[str, Mask], kept: dict[str, Mask], unseen: Mask) -> list[str]:
    lost = {name: int(own.sum() - kept[name].sum()) for name, own in parts.items()}
    apart = int(unseen.sum())
    lost["test"] -= apart
    notes = [f"test rows of tasks that were not trained on were kept apart: {apart}"] if apart else []
    if any(lost.values()):
        where = ", ".join(f"{name} {count}" for name, count in lost.items())
        notes.append(f"rows of tasks without a label to train on were left out: {where}")
    return notes
