"""Adapting to rows of tables: several tasks at once, padded to one size with a mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sharewise.data import Schema
from sharewise.data.episodes import Shots
from sharewise.data.features import value_names
from sharewise.data.labels import encode_label, evaluate_labels
from sharewise.data.roles import PREDICTION
from sharewise.errors import ConfigError, DataError
from sharewise.meta import Forecast, Learner, Predictor
from sharewise.meta.learner import check_support
from sharewise.serve.frames import columns_of
from sharewise.tasks import Task
from sharewise.train.meta_evaluate import NINETY

#: Columns of the 90 % interval, where the learner knows one.
LOW, HIGH = "low", "high"
#: Query rows of every task predicted at once.
TOGETHER = 2048


@dataclass(frozen=True)
class RowReading:
    """How rows become episodes.

    Attributes:
        task: the label, with its classes or scale.
        schema: how columns become inputs, as fitted on the training tasks.
        column: whose value is a row's task.
    """

    task: Task
    schema: Schema
    column: str


@dataclass(frozen=True)
class AdaptedRows:
    """What was learned from a support set, for one task or several.

    Attributes:
        learner: that learned.
        reading: how rows become inputs.
        names: of the tasks, in order; None for one without a name.
        shots: of each task.
    """

    learner: Learner
    reading: RowReading
    predictor: Predictor
    names: tuple[str, ...] | None
    shots: tuple[int, ...]

    def predict(self, query: pl.DataFrame) -> pl.DataFrame:
        """Return one row of predictions for every row, in the label's unit.

        Columns: the task column, if the support set had several tasks or the query has it; ``prediction``,
        for a label with classes the likeliest one beside ``prediction=class`` for each probability; and
        ``low`` and ``high``, between which 90 % are expected to lie, where the learner knows its uncertainty.

        Raises:
            DataError: if there are no rows, a column is missing, or a row's task has no support rows.
        """
        if not query.height:
            raise DataError("The query has no rows to predict for.", "Give a table with rows.")
        task = self._task_of(query)
        place = Places.of(task, len(self.shots))
        inputs = place.stack(self.reading.schema.encode(query))
        with torch.no_grad():
            forecast = self._forecast(inputs)
        found = columns(self.reading.task, place, forecast)
        if self.names is None or self.reading.column not in query.columns:
            return pl.DataFrame(found)
        return pl.DataFrame({self.reading.column: query[self.reading.column], **found})

    def _forecast(self, inputs: Mapping[str, Tensor]) -> Forecast:
        """Predict some rows at a time; all together where rows depend on each other."""
        rows = next(iter(inputs.values())).shape[1]
        step = rows if self.learner.transductive else TOGETHER
        parts = [
            self.predictor({key: value[:, start : start + step] for key, value in inputs.items()})
            for start in range(0, rows, step)
        ]
        variances = [part.variance for part in parts if part.variance is not None]
        return Forecast(
            torch.cat([part.outputs for part in parts], 1), torch.cat(variances, 1) if variances else None
        )

    def _task_of(self, query: pl.DataFrame) -> Int[Tensor, " rows"]:
        column = self.reading.column
        if self.names is None:
            return torch.zeros(query.height, dtype=torch.long)
        if column not in query.columns:
            if len(self.names) == 1:
                return torch.zeros(query.height, dtype=torch.long)
            raise DataError(
                f"The query lacks the column '{column}', by which the support set's {len(self.names)} tasks "
                "are told apart.",
                "Add it, or adapt to one task at a time.",
            )
        names = value_names(query[column])
        index = {name: i for i, name in enumerate(self.names)}
        found = names.replace_strict(index, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy()
        if (found < 0).any():
            name = names[int((found < 0).argmax())]
            raise DataError(
                f"The query asks for the task '{name}' of column '{column}', which has no support rows.",
                "Give examples of every task that is asked for.",
            )
        return torch.from_numpy(found.copy())


def adapt_rows(
    learner: Learner, reading: RowReading, support: pl.DataFrame, steps: int | None = None
) -> AdaptedRows:
    """Learn from rows with labels; see `LearnerArtifact.adapt`."""
    check_steps(learner, steps)
    if not support.height:
        raise DataError("The support set has no rows.", "Give at least one example with its label.")
    names, task = _tasks(reading.column, support)
    targets = _targets(reading.task, support)
    place = Places.of(task, len(names) if names else 1)
    _check_classes(learner, reading, place, targets, names)
    shots = Shots(place.stack(reading.schema.encode(support)), targets[place.rows], place.mask)
    check_support(learner.spec, shots, 0, learner.any_ways)
    with torch.no_grad():
        predictor = learner.adapt(shots, steps)
    return AdaptedRows(learner, reading, predictor, names, tuple(place.counts.tolist()))


def check_steps(learner: Learner, steps: int | None) -> None:
    """Refuse a number of steps that a learner cannot take.

    Raises:
        ConfigError: if it takes none, or the number is negative.
    """
    if steps is None:
        return
    if not learner.stepwise:
        raise ConfigError(
            f"The learner {type(learner).__name__} takes no steps of adaptation.", "Leave the steps out."
        )
    if steps < 0:
        raise ConfigError(f"Adaptation is to take {steps} steps.", "Use a number from 0 on.")


@dataclass(frozen=True)
class Places:
    """Where rows of several tasks stand when tasks are stacked.

    Attributes:
        rows: ``[tasks, most]`` the row at each place; 0 where there is none.
        mask: True where there is one; None if everywhere.
        counts: rows of each task.
        order: the rows, task after task.
    """

    rows: Int[Tensor, "tasks most"]
    mask: Bool[Tensor, "tasks most"] | None
    counts: Int[Tensor, " tasks"]
    order: Int[Tensor, " rows"]

    @staticmethod
    def of(task: Int[Tensor, " rows"], tasks: int) -> Places:
        """Return the places of rows of these tasks, in their order within each."""
        counts = torch.bincount(task, minlength=tasks)
        order = torch.argsort(task, stable=True)
        starts = (torch.cumsum(counts, 0) - counts).unsqueeze(1)
        column = torch.arange(int(counts.max()))
        absent = column >= counts.unsqueeze(1)
        rows = order[(starts + column).masked_fill(absent, 0)]
        return Places(rows, ~absent if bool(absent.any()) else None, counts, order)

    def stack(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return inputs of rows as inputs of tasks, each ``[tasks, most, ...]``."""
        return {key: value[self.rows] for key, value in values.items()}

    def unstack(self, values: Float[Tensor, "tasks most *rest"]) -> Float[Tensor, "rows *rest"]:
        """Return values of tasks as values of rows, in the rows' order."""
        own = values.flatten(0, 1) if self.mask is None else values[self.mask]
        found = torch.empty_like(own)
        found[self.order] = own
        return found


def columns(task: Task, place: Places, forecast: Forecast) -> dict[str, pl.Series]:
    """Return the predictions' columns, in the label's unit."""
    outputs = place.unstack(forecast.outputs)
    own = task.kind.link(outputs)
    if task.kind.standardised:
        own = own * task.scale + task.mean
    found = columns_of(task, PREDICTION, own)
    if forecast.variance is not None and task.kind.name == "regression":
        reach = NINETY * task.scale * place.unstack(forecast.variance).sqrt()
        found[LOW] = pl.Series((own[:, 0] - reach).numpy())
        found[HIGH] = pl.Series((own[:, 0] + reach).numpy())
    return found


def _tasks(column: str, support: pl.DataFrame) -> tuple[tuple[str, ...] | None, Int[Tensor, " rows"]]:
    if column not in support.columns:
        return None, torch.zeros(support.height, dtype=torch.long)
    values = value_names(support[column])
    if values.null_count():
        raise DataError(
            f"Row {int(values.is_null().arg_max() or 0) + 1} of the support set has no value of "
            f"'{column}', which tells its task.",
            "Fill it in, or leave the row out.",
        )
    names = values.unique().sort().to_list()
    index = {name: i for i, name in enumerate(names)}
    found = values.replace_strict(index, return_dtype=pl.Int64).to_numpy()
    return tuple(names), torch.from_numpy(found.copy())


def _targets(task: Task, support: pl.DataFrame) -> Float[Tensor, " rows"]:
    part = pl.Series(["test"] * support.height)
    label = evaluate_labels(support, (task,), support.columns, part)[0]
    targets = encode_label(task, label)
    missing = np.isnan(targets)
    if not missing.any():
        return torch.from_numpy(targets.astype(np.float32))
    row = int(missing.argmax())
    if label[row] is None or not task.kind.categorical:
        raise DataError(
            f"Row {row + 1} of the support set has no label '{task.label}'.",
            "Fill it in, or leave the row out.",
        )
    raise DataError(
        f"Row {row + 1} of the support set has the label '{label[row]}', which no training task had.",
        f"Use the classes {', '.join(task.classes[:8])}.",
    )


def _check_classes(
    learner: Learner,
    reading: RowReading,
    place: Places,
    targets: Float[Tensor, " rows"],
    names: tuple[str, ...] | None,
) -> None:
    """Refuse a task without examples of a class where the learner compares with them."""
    kind = reading.task.kind
    if not learner.any_ways or kind.name not in ("binary", "multiclass"):
        return
    classes = reading.task.classes or ("0", "1")
    member = torch.nn.functional.one_hot(targets[place.rows].long(), len(classes))
    present = member if place.mask is None else member * place.mask.unsqueeze(-1)
    lacking = (present.sum(1) == 0).nonzero()
    if len(lacking):
        task, which = lacking[0].tolist()
        where = f"Task '{names[task]}'" if names else "The support set"
        raise DataError(
            f"{where} has no example of the class '{classes[which]}'.",
            "Give one of every class: this learner compares with them.",
        )
