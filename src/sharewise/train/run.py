"""A run's folder: what a training leaves, sealed by its manifest, which is written last.

``config.toml``, ``schema.json``, ``model.safetensors``, ``model.json``, ``metrics.json``, ``log.jsonl``,
``timing.json`` and ``checkpoint/`` as far as they apply. Whoever adds a file to a finished run seals it anew.
The manifest's digest covers all but the times, so the same configuration gives the same digest. Nothing is
pickled.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor, nn

from sharewise import files
from sharewise.data import Schema
from sharewise.errors import CheckpointError
from sharewise.nn import MultiTaskModel
from sharewise.train.state import plain

WEIGHTS = "model.safetensors"
LOG = "log.jsonl"
TIMING = "timing.json"
MODEL, SCHEMA = "model.json", "schema.json"
#: Of ``model.json``; a reader refuses any other.
FORMAT = 1
#: Files that differ from run to run.
VOLATILE = frozenset({TIMING, "report.html"})


class Run:
    """A folder that a run is written to, or was.

    Example:
        >>> run = Run.create(folder)
        >>> run.write_json("metrics.json", evidence)
        >>> run.seal()
        >>> Run.open(folder).read_json("metrics.json")
    """

    def __init__(self, folder: Path, manifest: files.Manifest | None) -> None:
        self.folder = folder
        self.manifest = manifest
        self._names = set(manifest.files if manifest else ())

    @staticmethod
    def create(folder: str | Path) -> Run:
        """Return the run of this folder to write to, new or not; what it has sealed whole stays sealed.

        Raises:
            SharewiseError: if the folder cannot be written to.
        """
        folder = Path(folder)
        files.make_folder(folder)
        files.sweep(folder)
        try:
            return Run(folder, files.verify(folder))
        except CheckpointError:
            return Run(folder, None)

    @staticmethod
    def open(folder: str | Path) -> Run:
        """Return a finished run.

        Raises:
            CheckpointError: if it has no manifest, or any of its files is missing, cut or changed.
        """
        return Run(Path(folder), files.verify(Path(folder)))

    @property
    def digest(self) -> str:
        """One SHA-256 over everything that the same configuration gives again; "" before sealing."""
        return self.manifest.digest if self.manifest else ""

    @property
    def names(self) -> tuple[str, ...]:
        """The files that the run has, or will have once sealed."""
        return tuple(sorted(self._names))

    def write(self, name: str, content: bytes | str) -> None:
        """Write a file, to be sealed with the others."""
        files.write_bytes(self.folder / name, content if isinstance(content, bytes) else content.encode())
        self._names.add(name)

    def write_json(self, name: str, value: Any) -> None:
        """Write a value as JSON."""
        self.write(name, files.to_json(value))

    def write_model(self, model: MultiTaskModel, schema: Schema) -> None:
        """Write what `sharewise.load` needs beside the weights: options, tasks, and how columns are read."""
        values = {
            "format": FORMAT,
            "options": asdict(model.options),
            "tasks": model.tasks.to_dict(),
            "own_encoder": model.own_encoder,
        }
        self.write_json(MODEL, values)
        self.write_json(SCHEMA, schema.to_dict())

    def write_weights(self, model: nn.Module) -> None:
        """Write the model's weights as safetensors."""
        self.write(WEIGHTS, safetensors.torch.save(plain(model.state_dict())))

    def take_in(self, name: str) -> None:
        """Let a file that lies in the folder be sealed with the others, as it is then."""
        self._names.add(name)

    def leave_out(self, name: str) -> None:
        """Leave a file out of the next sealing: it may change afterwards."""
        self._names.discard(name)

    def seal(self) -> str:
        """Write the manifest over all files written, and return its digest."""
        self.manifest = files.seal(self.folder, self.names, VOLATILE)
        return self.digest

    def read(self, name: str) -> bytes:
        """Return the content of one of the run's files, checked when the run was opened.

        Raises:
            CheckpointError: if the run has no such file.
        """
        if name not in self._names:
            raise CheckpointError(
                f"The run '{self.folder}' has no {name}.", "Run it again, or choose another run."
            )
        with files.reported(self.folder / name, "read"):
            return (self.folder / name).read_bytes()

    def read_json(self, name: str) -> Any:
        """Return one of its JSON files."""
        return json.loads(self.read(name))

    def history(self) -> list[dict[str, Any]]:
        """Return the records of the log."""
        return [json.loads(line) for line in self.read(LOG).splitlines()]

    def weights(self) -> dict[str, Tensor]:
        """Return the model's weights by name, on the CPU."""
        return safetensors.torch.load(self.read(WEIGHTS))

    def load_weights(self, model: nn.Module) -> None:
        """Put the weights into a model of the same shape.

        Raises:
            CheckpointError: if names or shapes differ.
        """
        try:
            model.load_state_dict(self.weights())
        except RuntimeError as error:
            raise CheckpointError(
                f"The weights of '{self.folder}' do not fit this model.",
                "Build the model from the run's files.",
            ) from error
