"""An export as a folder: the model in both formats, what its inputs and outputs are, how raw features become
inputs, and a manifest over all of it, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharewise import files
from sharewise.errors import CheckpointError, ConfigError
from sharewise.export.agreement import TOLERANCE, check_agreement
from sharewise.export.example import SIZES, draw_inputs
from sharewise.export.network import Network
from sharewise.export.onnx_file import OUTPUT, ROWS, check_exporter, to_onnx
from sharewise.export.program import to_pt2, trace
from sharewise.export.session import OnnxEngine, TorchEngine
from sharewise.nn import MultiTaskModel
from sharewise.tasks import TaskSet

ONNX, PT2, DESCRIPTION, CHECKED = "model.onnx", "model.pt2", "export.json", "checked.json"
#: Of ``export.json``; a reader refuses any other.
FORMAT = 1
#: Files that differ from export to export: torch's archive, and differences, which a processor may change.
VOLATILE = frozenset({PT2, CHECKED})


@dataclass(frozen=True)
class Export:
    """An exported model.

    Attributes:
        kind: what it reads, "table" or "ranking".
        onnx, pt2: the contents of the files; of an export that was read, that for torch is left out.
        inputs: by name, each with its type and shape.
        columns: of the predictions.
        disjoint: rows are of one task each.
        data: the files that say how raw features become inputs, by name.
        differences: from the library's predictions, by engine.
        version: names the content: the first digits of the manifest's digest; "" before it is written.
    """

    kind: str
    onnx: bytes
    pt2: bytes
    inputs: dict[str, dict[str, Any]]
    columns: list[str]
    disjoint: bool
    data: dict[str, bytes]
    differences: dict[str, float]
    version: str = ""


def export_network(
    model: MultiTaskModel, tasks: TaskSet, kind: str, data: Mapping[str, bytes], disjoint: bool = False
) -> Export:
    """Export a trained model in both formats, and check both against it.

    Args:
        model: trained.
        tasks: the fitted tasks.
        kind: what `data` is of.
        data: how raw features become inputs, by file name.
        disjoint: rows are of one task each.

    Raises:
        ConfigError: if the model cannot be exported, or a package is not installed.
        CheckpointError: if an export does not predict as the model does.
    """
    check_exporter()
    network = Network(model, tasks, disjoint)
    inputs = draw_inputs(network, SIZES[0])
    program = trace(network, inputs)
    onnx, pt2 = to_onnx(program, inputs), to_pt2(program)
    engines = (OnnxEngine(onnx), TorchEngine(pt2))
    differences = {engine.name: check_agreement(engine, network, model) for engine in engines}
    described = {
        name: {"type": str(value.dtype).removeprefix("torch."), "shape": [ROWS, *value.shape[1:]]}
        for name, value in inputs.items()
    }
    return Export(kind, onnx, pt2, described, network.columns, disjoint, dict(data), differences)


def write_export(export: Export, folder: Path) -> None:
    """Write the folder whole, in place of an export that is there.

    Raises:
        ConfigError: if the folder holds anything else.
    """
    check_out(folder)
    files.make_folder(folder.parent)
    description = {
        "format": FORMAT,
        "kind": export.kind,
        "inputs": export.inputs,
        "output": OUTPUT,
        "columns": export.columns,
        "disjoint": export.disjoint,
        "data": sorted(export.data),
    }
    contents = {
        DESCRIPTION: files.to_json(description),
        ONNX: export.onnx,
        PT2: export.pt2,
        CHECKED: files.to_json({"tolerance": TOLERANCE, "differences": export.differences}),
        **export.data,
    }
    files.write_folder(folder, contents, VOLATILE)


def read_export(folder: str | Path) -> Export:
    """Return what `write_export` has written.

    Raises:
        CheckpointError: if it is no export, damaged, or of another version.
    """
    folder = Path(folder)
    manifest = files.verify(folder)
    if DESCRIPTION not in manifest.files:
        raise CheckpointError(f"'{folder}' holds no exported model.", "Name a folder of sharewise export.")
    values = json.loads(_read(folder, DESCRIPTION))
    if values.get("format") != FORMAT:
        raise CheckpointError(
            f"'{folder}' was exported by another version (format {values.get('format')}, not {FORMAT}).",
            "Export the run again.",
        )
    return Export(
        values["kind"],
        _read(folder, ONNX),
        b"",
        values["inputs"],
        values["columns"],
        values["disjoint"],
        {name: _read(folder, name) for name in values["data"]},
        json.loads(_read(folder, CHECKED))["differences"],
        manifest.digest[:12],
    )


def check_out(folder: Path) -> None:
    """Refuse to replace a folder that is no export.

    Raises:
        ConfigError: if it is a file, or holds anything else.
    """
    if folder.is_file():
        raise ConfigError(f"'{folder}' is a file.", "Name a folder for the export.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / DESCRIPTION).is_file():
        raise ConfigError(f"'{folder}' holds something else than an export.", "Name a new folder.")


def _read(folder: Path, name: str) -> bytes:
    with files.reported(folder / name, "read"):
        return (folder / name).read_bytes()
