"""A table's run as an export, and an export that predicts for tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sharewise import files
from sharewise.data import Schema
from sharewise.errors import CheckpointError, DataError
from sharewise.export import Engine, Export, export_network, open_engine, read_export
from sharewise.export.network import TASK
from sharewise.serve.artifact import Artifact
from sharewise.serve.frames import disjoint_frame, joint_frame
from sharewise.tasks import TaskSet

KIND, SCHEMA, TASKS = "table", "schema.json", "tasks.json"


def export_artifact(artifact: Artifact) -> Export:
    """Export a trained model of tables; ``schema.json`` says how columns become inputs.

    Raises:
        ConfigError: if it cannot be exported, or a package is not installed.
        CheckpointError: if the export does not predict as the model does.
    """
    schema, tasks = artifact.schema, artifact.tasks
    data = {SCHEMA: files.to_json(schema.to_dict()), TASKS: files.to_json({"tasks": tasks.to_dict()})}
    return export_network(artifact.model, tasks, KIND, data, disjoint=schema.task_column is not None)


@dataclass(frozen=True)
class Exported:
    """An exported model that predicts for tables, as `Artifact` does.

    Attributes:
        engine: runs the network.
        schema: how columns become inputs.
        tasks: what is predicted.
    """

    engine: Engine
    schema: Schema
    tasks: TaskSet

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return predictions as `Artifact.predict` does; tasks that were not trained on are refused.

        Raises:
            DataError: if there are no rows, a column is missing, or a row's task is unknown.
        """
        if not len(frame):
            raise DataError("The table has no rows to predict for.", "Give a table with rows.")
        inputs, task = self.schema.encode(frame), self.schema.task_index(frame)
        if task is None:
            return joint_frame(self.engine.run(inputs), self.tasks)
        names = frame[str(self.schema.task_column)]
        if bool((task < 0).any()):
            row = int((task < 0).nonzero()[0])
            raise DataError(
                f"The model has not trained on the task '{names[row]}' of column '{names.name}'.",
                "Leave such rows out, or predict with the run itself.",
            )
        return disjoint_frame(self.engine.run({**inputs, TASK: task}), self.tasks, names)


def load_export(folder: str | Path) -> Exported:
    """Load an exported model of tables.

    Raises:
        CheckpointError: if the folder holds none, or one that is damaged or of another version.
        ConfigError: if ONNX Runtime is not installed.
    """
    export = read_export(folder)
    if export.kind != KIND:
        raise CheckpointError(
            f"The model in '{folder}' does not read tables.", "Name the export of a table's run."
        )
    schema = Schema.from_dict(json.loads(export.data[SCHEMA]))
    tasks = TaskSet.from_dict(json.loads(export.data[TASKS])["tasks"])
    return Exported(open_engine(export.onnx), schema, tasks)
