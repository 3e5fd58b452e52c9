"""Schema: everything that turns a row of a table into inputs of a network, fitted on the training split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sharewise.data.features import CATEGORICAL, NUMERIC, Scaling, Vocabulary, to_numbers
from sharewise.errors import DataError, nearest
from sharewise.tasks import InputSpec

#: Quantile bins of a column.
MOST_BINS = 10_000


@dataclass(frozen=True)
class Features:
    """Which columns are inputs, and how they are read.

    Numbers, dates and times are numeric unless said otherwise; texts and true/false are categorical.

    Attributes:
        keep: the columns to use; empty means all that have no other use (labels, split, weights and so on).
        drop: columns to leave out.
        kinds: column -> "categorical" or "numeric", where what is inferred from the type is wrong.
        bins: quantile bins of numeric columns, for piecewise-linear embeddings.
        min_count: values of categorical columns rarer than this on the training split are unknown.
    """

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    kinds: dict[str, str] = field(default_factory=dict)
    bins: int = 48
    min_count: int = 1

    def over(self, base: Features) -> Features:
        """Return these choices where they differ from the defaults, and those of `base` elsewhere.

        Columns can be left out of those that `base` keeps, never added: what it leaves out may be known only
        afterwards.

        Raises:
            DataError: if a column is kept or given a kind that `base` does not have, or none is left.
        """
        allowed = base.keep or self.keep
        for column in (*self.keep, *self.kinds):
            if base.keep and column not in base.keep:
                raise DataError(
                    f"features name the column '{column}', which is no input of this source.",
                    nearest(column, base.keep),
                )
        dropped = {*base.drop, *self.drop}
        keep = tuple(column for column in self.keep or allowed if column not in dropped)
        if allowed and not keep:
            raise DataError("features drop every input.", "Keep at least one column.")
        default = Features()
        return Features(
            keep=keep,
            drop=tuple(sorted(dropped)),
            kinds={c: kind for c, kind in {**base.kinds, **self.kinds}.items() if not keep or c in keep},
            bins=base.bins if self.bins == default.bins else self.bins,
            min_count=base.min_count if self.min_count == default.min_count else self.min_count,
        )


@dataclass(frozen=True)
class Schema:
    """The encoding of a table's rows.

    Attributes:
        vocabularies: categorical columns.
        scalings: numeric columns.
        task_column: the column that tells a row's task (disjoint data), or None.
        task_values: its values in the order of the tasks.
        descriptors: scalings of the columns that describe a task, over the training tasks.
        notes: what of the training rows was left out, and why.
    """

    vocabularies: tuple[Vocabulary, ...] = ()
    scalings: tuple[Scaling, ...] = ()
    task_column: str | None = None
    task_values: tuple[str, ...] = ()
    descriptors: tuple[Scaling, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def inputs(self) -> InputSpec:
        """What a network needs to know of the inputs."""
        return InputSpec(
            tuple(vocabulary.size for vocabulary in self.vocabularies),
            tuple(edges for scaling in self.scalings for edges in scaling.bins),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature columns, categorical ones first."""
        return (*(v.column for v in self.vocabularies), *(s.column for s in self.scalings))

    def encode(self, frame: pl.DataFrame) -> dict[str, Tensor]:
        """Return the inputs of every row, by the keys of `InputSpec`.

        Raises:
            DataError: if a feature column is missing.
        """
        self._check(frame, self.columns)
        found: dict[str, Tensor] = {}
        if self.vocabularies:
            ids = [vocabulary.encode(frame[vocabulary.column]) for vocabulary in self.vocabularies]
            found["categorical"] = torch.from_numpy(np.stack(ids, axis=1))
        if self.scalings:
            found["numeric"] = _scaled(frame, self.scalings)
        return found

    def task_index(self, frame: pl.DataFrame) -> Tensor | None:
        """Return every row's task, -1 where unknown; None for joint data."""
        if self.task_column is None:
            return None
        self._check(frame, (self.task_column,))
        return torch.from_numpy(
            Vocabulary(self.task_column, self.task_values).encode(frame[self.task_column]) - 1
        )

    def describe(self, frame: pl.DataFrame) -> Tensor | None:
        """Return every row's task descriptor ``[rows, size]``, standardised; None if none are known."""
        if not self.descriptors:
            return None
        self._check(frame, tuple(scaling.column for scaling in self.descriptors))
        return _scaled(frame, self.descriptors)

    def to_dict(self) -> dict[str, Any]:
        return {
            "vocabularies": [part.to_dict() for part in self.vocabularies],
            "scalings": [part.to_dict() for part in self.scalings],
            "task_column": self.task_column,
            "task_values": list(self.task_values),
            "descriptors": [part.to_dict() for part in self.descriptors],
            "notes": list(self.notes),
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Schema:
        return Schema(
            tuple(Vocabulary.from_dict(v) for v in values["vocabularies"]),
            tuple(Scaling.from_dict(v) for v in values["scalings"]),
            values["task_column"],
            tuple(values["task_values"]),
            tuple(Scaling.from_dict(v) for v in values["descriptors"]),
            tuple(values["notes"]),
        )

    @staticmethod
    def _check(frame: pl.DataFrame, columns: Iterable[str]) -> None:
        missing = [column for column in columns if column not in frame.columns]
        if len(missing) > 1:
            raise DataError(
                f"The table lacks {len(missing)} columns that the model reads: "
                f"{', '.join(repr(name) for name in missing)}.",
                "Give all columns that it was trained on; those of its labels need not be there.",
            )
        if missing:
            raise DataError(
                f"The table lacks the column '{missing[0]}' that the model reads.",
                nearest(missing[0], frame.columns) if frame.columns else "The table has no columns.",
            )


def fit_inputs(train: pl.DataFrame, columns: list[str], features: Features) -> Schema:
    """Fit vocabularies and scalings of `columns` on the training rows.

    Raises:
        DataError: if no column is left, or one cannot be read as its kind.
    """
    fitted = {name: _fit(train[name], features) for name in columns}
    flat = [
        f"column '{n}' was left out: it does not vary on the training split" for n in columns if not fitted[n]
    ]
    if len(flat) == len(columns):
        raise DataError(
            "No feature column is left: " + ("; ".join(flat) or "every column is a label or dropped") + ".",
            "Keep at least one column that varies on the training split.",
        )
    vocabularies = tuple(part for part in fitted.values() if isinstance(part, Vocabulary))
    scalings = tuple(part for part in fitted.values() if isinstance(part, Scaling))
    notes = (*flat, *(note for s in scalings for note in _infinite(train[s.column])))
    return Schema(vocabularies, scalings, notes=notes)


def check_kinds(features: Features, known: list[str]) -> None:
    """Raise DataError if the features name an unknown column or kind."""
    for name in (*features.keep, *features.drop, *features.kinds):
        if name not in known:
            raise DataError(f"The table has no feature column '{name}'.", nearest(name, known))
    for name, kind in features.kinds.items():
        if kind not in (CATEGORICAL, NUMERIC):
            raise DataError(f"Feature '{name}' is called '{kind}'.", nearest(kind, (CATEGORICAL, NUMERIC)))
    if not (1 <= features.bins <= MOST_BINS and features.min_count >= 1):
        raise DataError(
            f"Features have bins = {features.bins} and min_count = {features.min_count}.",
            f"Use at least 1, and at most {MOST_BINS:,} bins.",
        )


def _infer(column: pl.Series) -> str:
    numeric = column.dtype.is_numeric() or column.dtype.is_temporal()
    return NUMERIC if numeric else CATEGORICAL


def _fit(column: pl.Series, features: Features) -> Vocabulary | Scaling | None:
    if (features.kinds.get(column.name) or _infer(column)) == NUMERIC:
        return Scaling.fit(column, features.bins)
    vocabulary = Vocabulary.fit(column, features.min_count)
    return vocabulary if len(np.unique(vocabulary.encode(column))) > 1 else None


def _infinite(column: pl.Series) -> list[str]:
    count = int(np.isinf(to_numbers(column)).sum())
    return [f"column '{column.name}': {count} infinite values in training count as missing"] if count else []


def _scaled(frame: pl.DataFrame, scalings: tuple[Scaling, ...]) -> Tensor:
    columns = [values for scaling in scalings for values in scaling.encode(frame[scaling.column])]
    return torch.from_numpy(np.stack(columns, axis=1))
