"""Roles: what each column of a table is for. Outcomes are never inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.data.labels import label_columns
from sharewise.data.schema import Features, check_kinds
from sharewise.data.splits import Split, check_columns
from sharewise.errors import DataError, nearest
from sharewise.tasks import Task, TaskSet

#: The column of a disjoint table's predictions, beside its task column.
PREDICTION = "prediction"


@dataclass(frozen=True)
class Roles:
    """The columns of a table by their use; the fields are the arguments of `Table`."""

    tasks: tuple[Task, ...]
    split: Split
    features: Features
    task_column: str | None
    descriptor_columns: tuple[str, ...]
    descriptor_text: str | None
    weight: str | None
    cluster: str | None

    @property
    def special(self) -> list[str]:
        """Columns that are neither labels nor, unless kept by name, inputs."""
        named = (
            self.task_column,
            self.descriptor_text,
            self.weight,
            self.cluster,
            *self.descriptor_columns,
            *self.split.columns,
        )
        return list(dict.fromkeys(column for column in named if column))

    def check(self, known: list[str]) -> None:
        """Raise DataError if the table's columns do not suffice, or the arguments contradict each other."""
        TaskSet(self.tasks)
        if self.task_column and len(self.tasks) != 1:
            raise DataError(
                f"With a task column there is one label, but {len(self.tasks)} tasks are given.",
                "Give one task, the template of all.",
            )
        if self.task_column == PREDICTION:
            raise DataError(
                f"The task column is called '{PREDICTION}', as the predictions will be.", "Rename the column."
            )
        for column in self.descriptor_columns:
            if self.descriptor_columns.count(column) > 1:
                raise DataError(f"The descriptor column '{column}' is named twice.", "Name it once.")
        if (self.descriptor_columns or self.descriptor_text) and not self.task_column:
            raise DataError(
                "There are descriptor columns, but no task column that tells whose they are.",
                "Name the task column, or give every task its attributes.",
            )
        check_columns(self.split, known)
        for column in self.special:
            if column not in known:
                raise DataError(f"The table has no column '{column}'.", nearest(column, known))
        check_kinds(self.features, known)

    def inputs(self, known: list[str]) -> list[str]:
        """Return the columns that are inputs: never those that labels are made of."""
        outcomes = self._outcomes(known)
        leaking = [column for column in self.features.keep if column in outcomes]
        if leaking:
            raise DataError(
                f"Column '{leaking[0]}' is kept as a feature, but a label is made of it.",
                "Drop it from the features, or change the label.",
            )
        out = {*outcomes, *self.features.drop, *(set(self.special) - set(self.features.keep))}
        return [column for column in dict.fromkeys(self.features.keep or known) if column not in out]

    def needed(self, known: list[str]) -> list[str]:
        """Return every column that is read at all."""
        return list(dict.fromkeys([*self.inputs(known), *self._outcomes(known), *self.special]))

    def _outcomes(self, known: list[str]) -> list[str]:
        return [column for task in self.tasks for column in label_columns(task, known)]


def row_weights(frame: pl.DataFrame, column: str | None) -> Tensor | None:
    """Return the rows' weights, float32; None without a column.

    Raises:
        DataError: if one is missing, negative or not finite.
    """
    if column is None:
        return None
    found = frame[column]
    if not (found.dtype.is_numeric() or found.dtype == pl.Boolean):
        raise DataError(f"The weight column '{column}' is of type {found.dtype}.", "Use a column of numbers.")
    values = found.cast(pl.Float32)
    wrong = found.filter(values.is_null() | ~values.is_finite() | (values < 0))
    if len(wrong):
        raise DataError(
            f"The weight column '{column}' holds {wrong[0]}.", "Use finite weights that are not negative."
        )
    return torch.tensor(values.to_numpy())


def row_clusters(frame: pl.DataFrame, column: str | None) -> NDArray[np.int64] | None:
    """Return the rows' clusters as numbers from 0; rows without one are a cluster together."""
    if column is None:
        return None
    found = frame[column]
    if found.dtype.is_nested() or found.dtype in (pl.Binary, pl.Object):
        raise DataError(
            f"The cluster column '{column}' is of type {found.dtype}.", "Use a column of plain values."
        )
    ranks = found.cast(pl.String).rank("dense").cast(pl.Int64)
    return np.array((ranks.fill_null(0) - (0 if ranks.null_count() else 1)).to_numpy(), dtype=np.int64)
