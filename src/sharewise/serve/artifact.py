"""A trained model with all that it needs to predict: saved beside a run's weights, loaded without pickle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from jaxtyping import Int
from torch import Tensor, nn

from sharewise.data import Schema
from sharewise.errors import CheckpointError, DataError
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.serve.frames import disjoint_frame, joint_frame
from sharewise.serve.reading import check_format, read_part
from sharewise.tasks import InputSpec, TaskSet
from sharewise.train import Run, predict
from sharewise.train.run import FORMAT, MODEL, SCHEMA


@dataclass(frozen=True)
class Artifact:
    """A trained model that predicts for tables.

    Attributes:
        model: in evaluation mode.
        schema: how columns become inputs, as fitted on the training split.
        tasks: what is predicted.

    Example:
        >>> artifact = load("runs/model")
        >>> artifact.predict(pl.read_csv("new.csv"))
    """

    model: MultiTaskModel
    schema: Schema
    tasks: TaskSet

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return one row of predictions for every row, in the label's unit.

        Columns: a task's name for its probability, mean or rate; for a task with classes the likeliest class,
        and ``name=class`` for each probability. Disjoint: the task column and ``prediction``.

        Raises:
            DataError: if there are no rows, a column is missing, or a row's task is unknown to the model.
        """
        if not len(frame):
            raise DataError("The table has no rows to predict for.", "Give a table with rows.")
        task = self.schema.task_index(frame)
        if task is None:
            return joint_frame(predict(self.model, self.schema.encode(frame), self.tasks), self.tasks)
        z = self.schema.describe(frame)
        self._check_tasks(frame, task)
        inputs, known = self.schema.encode(frame), task.clamp(min=0)
        names = frame[str(self.schema.task_column)]
        return disjoint_frame(predict(self.model, inputs, self.tasks, known, z), self.tasks, names)

    def _check_tasks(self, frame: pl.DataFrame, task: Int[Tensor, " rows"]) -> None:
        """Refuse tasks that were not trained on, unless the model knows a task by its descriptor."""
        if bool((task >= 0).all()) or (self.schema.descriptors and self.model.options.conditional):
            return
        column, row = str(self.schema.task_column), int((task < 0).nonzero()[0])
        raise DataError(
            f"The model has not trained on the task '{frame[column][row]}' of column '{column}'.",
            "Leave such rows out, or train with descriptors and a structure that reads them.",
        )


def save(run: Run, model: MultiTaskModel, schema: Schema) -> None:
    """Write into a run what `load` needs beside the weights; the run is to be sealed afterwards."""
    run.write_model(model, schema)


def load(folder: str | Path, encoder: nn.Module | None = None) -> Artifact:
    """Load the trained model of a run's folder.

    Args:
        folder: of `fit`, `compare`, or a command.
        encoder: a module like the one that the model was made with, if it was one of the user's own.

    Raises:
        CheckpointError: if the folder holds no finished run, or one that is damaged or of another version.
    """
    run = Run.open(folder)
    values = run.read_json(MODEL)
    check_format(run, MODEL, values, FORMAT)
    read = partial(read_part, run)
    tasks = read(lambda: TaskSet.from_dict(values["tasks"]))
    schema = read(lambda: Schema.from_dict(run.read_json(SCHEMA)))
    if values.get("own_encoder", False) and encoder is None:
        raise CheckpointError(
            f"The model of '{run.folder}' has an encoder of its user's own, which no file holds.",
            "Give one like it: load(folder, encoder=...).",
        )
    weights = read(run.weights)
    model = read(lambda: _model(tasks, schema.inputs, values["options"], weights, encoder))
    read(lambda: run.load_weights(model))
    return Artifact(model.eval(), schema, tasks)


def _model(
    tasks: TaskSet,
    inputs: InputSpec,
    options: dict[str, Any],
    weights: dict[str, Tensor],
    encoder: nn.Module | None,
) -> MultiTaskModel:
    # JSON knows lists only; the options have tuples. Widths were solved when the model was made.
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    # Descriptors lie with the weights: what encoded the texts need not be there any more.
    z = weights.get("descriptors")
    made = ModelOptions(**{**plain, "match": None})
    return MultiTaskModel(tasks, inputs, made, encoder=encoder, descriptors=z)
