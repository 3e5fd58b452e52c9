"""A ranker as an export, and an export that predicts for rows of a log as the ranker does.

The tower of places is left out: when serving, nothing has a place yet.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
import safetensors.torch
import torch
from torch import Tensor

from sharewise import files
from sharewise.errors import CheckpointError
from sharewise.export import Engine, Export, export_network, open_engine, read_export
from sharewise.ranking.artifact import ENCODING, RANKER
from sharewise.ranking.blend import blend
from sharewise.ranking.encoding import Encoding
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.ranker import Array, Ranker
from sharewise.ranking.schema import LogSchema
from sharewise.train.predict import split_by_task
from sharewise.train.state import plain

KIND = "ranking"


class Predictor(Protocol):
    """What predicts objectives and their score for candidates: a `Ranker`, or one that was exported.

    Attributes:
        plan: of the ranker.
        encoding: reads rows.
    """

    plan: RankPlan
    encoding: Encoding

    def predict_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Array]:
        """Return predictions by objective for rows that were read already, ``[rows]``."""
        ...

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a column an objective, and ``score``; one row a candidate."""
        ...


def export_ranker(ranker: Ranker) -> Export:
    """Export a trained ranker; how a log's columns become inputs lies beside it, as in a ranker's run.

    Raises:
        ConfigError: if it cannot be exported, or a package is not installed.
        CheckpointError: if the export does not predict as the ranker does.
    """
    values = {"plan": ranker.plan.to_dict(), "schema": ranker.encoding.schema.to_dict()}
    encoding = safetensors.torch.save(plain(ranker.encoding.tensors()))
    data = {RANKER: files.to_json(values), ENCODING: encoding}
    return export_network(ranker.model, ranker.model.tasks, KIND, data)


class ExportedRanker:
    """Predicts as the ranker that was exported.

    Args:
        export: of a ranker.
        threads: for one call; several calls may run beside each other.

    Attributes:
        plan: of the ranker.
        encoding: reads rows.
        engine: runs the network.

    Raises:
        ConfigError: if ONNX Runtime is not installed.
    """

    def __init__(self, export: Export, threads: int = 1) -> None:
        values = json.loads(export.data[RANKER])
        self.plan = RankPlan.from_dict(values["plan"])
        self.encoding = Encoding(LogSchema.from_dict(values["schema"]), self.plan)
        self.encoding.load(safetensors.torch.load(export.data[ENCODING]))
        self.engine: Engine = open_engine(export.onnx, threads)
        tasks = self.encoding.tasks
        columns = split_by_task(torch.arange(tasks.columns)[None], tasks)
        self._columns = {name: int(own[0, 0]) for name, own in columns.items()}

    def predict_inputs(self, inputs: dict[str, Tensor]) -> dict[str, Array]:
        """Return predictions by objective, in the labels' unit, ``[rows]``."""
        values = self.engine.run(inputs).numpy().astype(np.float64)
        return {name: values[:, column] for name, column in self._columns.items()}

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return predictions of all objectives and their ``score``, as `Ranker.predict` does."""
        found = self.predict_inputs(self.encoding.read(frame, labelled=False).inputs)
        return pl.DataFrame({**found, "score": blend(found, self.plan.blend)})


def load_exported_ranker(folder: str | Path, threads: int = 1) -> ExportedRanker:
    """Load an exported ranker.

    Raises:
        CheckpointError: if the folder holds none, or one that is damaged or of another version.
        ConfigError: if ONNX Runtime is not installed.
    """
    export = read_export(folder)
    if export.kind != KIND:
        raise CheckpointError(f"The model in '{folder}' is no ranker.", "Name the export of a ranker's run.")
    return ExportedRanker(export, threads)
