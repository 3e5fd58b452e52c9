"""Checkpoints: a folder a step, each whole or not there, each with its manifest.

``checkpoint/step-00000042/`` holds ``state.safetensors``, ``state.json``, ``log.jsonl`` (the log up to that
step) and ``manifest.json``. The last two are kept; when the newest is damaged, the one before it is used.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from sharewise import files
from sharewise.errors import CheckpointError

#: Of the files; a reader refuses any other.
FORMAT = 1
KEPT = 2


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds.

    Attributes:
        tensors: `RunState.tensors()`, as safetensors.
        values: `RunState.values()` and more, as JSON.
        log: the log's content up to that step.
    """

    tensors: bytes
    values: bytes
    log: bytes

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the tensors and values that `RunState.load` takes."""
        return safetensors.torch.load(self.tensors), json.loads(self.values)["cursor"]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they lie.
        fingerprint: of the run's configuration; checkpoints of another are refused.
        note: told about checkpoints that are damaged.
    """

    def __init__(
        self, folder: Path, fingerprint: str, note: Callable[[str], None] = lambda text: None
    ) -> None:
        self.folder = folder
        self._fingerprint = fingerprint
        self._note = note

    def save(self, step: int, tensors: dict[str, Tensor], values: dict[str, Any], log: bytes) -> None:
        """Write a checkpoint, then remove all but the last two.

        Raises:
            SharewiseError: if the disk is full or not writable; earlier checkpoints stay as they are.
        """
        files.make_folder(self.folder)
        state = {"format": FORMAT, "fingerprint": self._fingerprint, "cursor": values}
        contents = {
            "state.safetensors": safetensors.torch.save(tensors),
            "state.json": files.to_json(state),
            "log.jsonl": log,
        }
        files.write_folder(self.folder / f"step-{step:08d}", contents)
        for path in self._steps()[:-KEPT]:
            files.remove(path)

    def newest(self) -> Saved | None:
        """Return the newest checkpoint that is whole; None if there are none at all.

        Damaged ones after it are removed, since the run goes on from before them.

        Raises:
            CheckpointError: if there are some and none is whole, or of another configuration or version.
        """
        if not self.folder.is_dir():
            return None
        files.sweep(self.folder)
        damaged: list[Path] = []
        for path in reversed(self._steps()):
            try:
                files.verify(path)
            except CheckpointError as error:
                self._note(f"{error.problem} The checkpoint before it is used.")
                damaged.append(path)
                continue
            saved = self._read(path)
            for broken in damaged:
                files.remove(broken)
            return saved
        if damaged:
            raise CheckpointError(
                f"No checkpoint in '{self.folder}' is whole.",
                "Restore the folder from a copy, or remove it to start the run anew.",
            )
        return None

    def _read(self, path: Path) -> Saved:
        with files.reported(path, "read"):
            saved = Saved(
                (path / "state.safetensors").read_bytes(),
                (path / "state.json").read_bytes(),
                (path / "log.jsonl").read_bytes(),
            )
        values = json.loads(saved.values)
        if values.get("format") != FORMAT:
            raise CheckpointError(
                f"'{path}' was written by another version (format {values.get('format')}, not {FORMAT}).",
                "Go on with the version that wrote it, or choose another folder.",
            )
        if values.get("fingerprint") != self._fingerprint:
            raise CheckpointError(
                f"'{path}' belongs to a run of another configuration, model or table.",
                "Choose another folder, or remove this one to start the run anew.",
            )
        return saved

    def _steps(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("step-*") if path.is_dir())
