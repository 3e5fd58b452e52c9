"""The table as a study needs it: splits as tensors, which workers read from files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise import files
from sharewise.data.batches import Batch
from sharewise.errors import ConfigError
from sharewise.tasks import InputSpec, TaskSet

SPLITS = ("train", "valid", "test")
SPEC = "study.json"
_OPTIONAL = ("task", "weight", "descriptor")
_INPUT = "input."


class Source(Protocol):
    """What a study needs of a table; `sharewise.data.Table` is one."""

    @property
    def tasks(self) -> TaskSet: ...
    @property
    def schema(self) -> Any: ...
    @property
    def train(self) -> Batch: ...
    @property
    def valid(self) -> Batch: ...
    @property
    def test(self) -> Batch: ...
    def clusters(self, split: str) -> NDArray[np.int64] | None: ...
    def summary(self) -> dict[str, Any]: ...
    def digest(self) -> str: ...


@dataclass(frozen=True)
class StudyData:
    """The splits with all that trials need; what `sharewise.train.fit` takes.

    Attributes:
        tasks, inputs: fitted on the training split.
        train, valid, test: the splits.
        clusters: of the test split's rows, or None.
        identity: digest of the table.
    """

    tasks: TaskSet
    inputs: InputSpec
    train: Batch
    valid: Batch
    test: Batch
    clusters: NDArray[np.int64] | None
    identity: str

    @staticmethod
    def of(table: Source) -> StudyData:
        """Return the data of a table."""
        return StudyData(
            table.tasks,
            table.schema.inputs,
            table.train,
            table.valid,
            table.test,
            table.clusters("test"),
            table.digest(),
        )

    def digest(self) -> str:
        """Return the table's digest."""
        return self.identity

    def portable(self) -> bool:
        """Whether another process can make the same tasks from their description alone."""
        try:
            return TaskSet.from_dict(json.loads(files.to_json(self.tasks.to_dict()))) == self.tasks
        except (ConfigError, TypeError):  # a kind of the user's own that is not known by name elsewhere
            return False

    def save(self, folder: Path) -> None:
        """Write the data for workers to `load`."""
        spec = {"tasks": self.tasks.to_dict(), "inputs": asdict(self.inputs), "identity": self.identity}
        files.write_json(folder / SPEC, spec)
        for split in SPLITS:
            tensors = _to_tensors(getattr(self, split))
            if split == "test" and self.clusters is not None:
                tensors["clusters"] = torch.from_numpy(np.ascontiguousarray(self.clusters))
            with files.reported(folder):
                safetensors.torch.save_file(tensors, folder / f"{split}.safetensors")

    @staticmethod
    def load(folder: Path) -> StudyData:
        """Read what `save` wrote."""
        spec = json.loads((folder / SPEC).read_bytes())
        found = {split: _read(folder / f"{split}.safetensors") for split in SPLITS}
        clusters = found["test"].pop("clusters", None)
        batches = {split: _to_batch(tensors) for split, tensors in found.items()}
        return StudyData(
            TaskSet.from_dict(spec["tasks"]),
            _to_inputs(spec["inputs"]),
            **batches,
            clusters=None if clusters is None else clusters.numpy(),
            identity=spec["identity"],
        )


def _to_tensors(batch: Batch) -> dict[str, Tensor]:
    tensors = {f"{_INPUT}{key}": value for key, value in batch.inputs.items()}
    tensors |= {"targets": batch.targets, "mask": batch.mask}
    tensors |= {key: getattr(batch, key) for key in _OPTIONAL if getattr(batch, key) is not None}
    return {key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()}


def _to_batch(tensors: dict[str, Tensor]) -> Batch:
    inputs = {key[len(_INPUT) :]: value for key, value in tensors.items() if key.startswith(_INPUT)}
    task, weight, descriptor = (tensors.get(key) for key in _OPTIONAL)
    return Batch(inputs, tensors["targets"], tensors["mask"], task, weight, descriptor)


def _to_inputs(values: dict[str, Any]) -> InputSpec:
    image = values["image"]
    return InputSpec(
        tuple(values["cardinalities"]),
        tuple(tuple(edges) for edges in values["bins"]),
        None if image is None else (image[0], image[1], image[2]),
    )


def _read(path: Path) -> dict[str, Tensor]:
    # Copied out of the file's mapping: tensors then lie in memory as in the process that made them.
    return {key: value.clone() for key, value in safetensors.torch.load_file(path).items()}
