"""An exported model of a table says what the library says: every structure and kind, in both formats."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import torch

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

from export_kit import KINDS, artifact_of, rows_of

from sharewise.errors import CheckpointError, ConfigError, DataError
from sharewise.export import Export, read_export, write_export
from sharewise.export.agreement import difference
from sharewise.export.session import OnnxEngine, TorchEngine
from sharewise.nn import ModelOptions
from sharewise.serve.export import export_artifact, load_export
from sharewise.tasks import Task, TaskSet

SMALL = ModelOptions(hidden=(4,))
#: Rows of one task each.
DISJOINT = (Task("late", "binary"),), ModelOptions(sharing="mmoe", hidden=(8,)), "port"


@pytest.fixture(scope="module")
def small() -> Export:
    return export_artifact(artifact_of(KINDS, SMALL))


@pytest.fixture(scope="module")
def disjoint() -> Export:
    return export_artifact(artifact_of(*DISJOINT))


@pytest.mark.parametrize(
    "options",
    [
        ModelOptions(sharing="shared_bottom", hidden=(8,), numeric="piecewise", members=2),
        ModelOptions(sharing="mmoe", hidden=(8,), experts=3, tower=(4,)),
        ModelOptions(sharing="ple", hidden=(8,), numeric="periodic"),
        ModelOptions(sharing="independent", hidden=(40,), numeric="bins"),
        ModelOptions(sharing="cross_stitch", hidden=(8, 4), numeric="linear"),
        ModelOptions(sharing="mtan", hidden=(8,)),
        ModelOptions(sharing="multiply", hidden=(8,)),
    ],
    ids=lambda options: options.sharing,
)
def test_every_structure_predicts_the_same(options: ModelOptions) -> None:
    artifact = artifact_of(KINDS, options)
    export = export_artifact(artifact)
    assert set(export.differences) == {"onnxruntime", "torch"}
    assert max(export.differences.values()) <= 1e-5
    inputs = artifact.schema.encode(rows_of(50, seed=5))
    expected = artifact.predict(rows_of(50, seed=5)).select(pl.selectors.numeric()).to_torch()
    for engine in (OnnxEngine(export.onnx), TorchEngine(export.pt2)):
        found = dict(zip(export.columns, engine.run(inputs).T, strict=True))
        for name, own in found.items():
            place = artifact.predict(rows_of(50, seed=5))[name].to_torch()
            torch.testing.assert_close(own, place, rtol=1e-5, atol=1e-5)
    assert expected.shape[1] == len(export.columns)
    for content in (export.onnx, export.pt2):  # no path of the machine that exported
        assert str(Path(__file__).parents[2]).encode() not in content


def test_a_folder_is_read_back_and_a_flipped_bit_refused(small: Export, tmp_path: Path) -> None:
    artifact = artifact_of(KINDS, SMALL)
    write_export(small, tmp_path / "out")
    read = read_export(tmp_path / "out")
    assert (read.onnx, read.columns, read.inputs) == (small.onnx, small.columns, small.inputs)
    described = json.loads((tmp_path / "out" / "export.json").read_text())
    assert described["inputs"]["categorical"]["shape"][0] == "rows"
    frame = rows_of(20, seed=9)
    found, expected = load_export(tmp_path / "out").predict(frame), artifact.predict(frame)
    assert found.columns == expected.columns
    for name in ("size", "late", "visits"):
        assert (found[name] - expected[name]).abs().max() < 1e-3  # type: ignore[operator]
    assert found["colour"].equals(expected["colour"])
    content = bytearray((tmp_path / "out" / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "out" / "model.onnx").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        read_export(tmp_path / "out")


def test_the_same_model_gives_the_same_bytes(small: Export, tmp_path: Path) -> None:
    versions = []
    for name, export in (("a", small), ("b", export_artifact(artifact_of(KINDS, SMALL)))):
        write_export(export, tmp_path / name)
        versions.append(read_export(tmp_path / name).version)
    assert versions[0] == versions[1] != ""


def test_rows_of_one_task_each(disjoint: Export) -> None:
    artifact = artifact_of(*DISJOINT)
    assert "task" in disjoint.inputs
    frame = rows_of(40, seed=3)
    inputs = artifact.schema.encode(frame)
    task = artifact.schema.task_index(frame)
    assert task is not None
    found = OnnxEngine(disjoint.onnx).run({**inputs, "task": task})[:, 0]
    torch.testing.assert_close(found, artifact.predict(frame)["prediction"].to_torch(), rtol=0, atol=1e-5)


def test_unknown_tasks_are_refused(disjoint: Export, tmp_path: Path) -> None:
    write_export(disjoint, tmp_path / "out")
    strange = rows_of(5).with_columns(port=pl.lit("nowhere"))
    with pytest.raises(DataError, match="nowhere"):
        load_export(tmp_path / "out").predict(strange)


def test_a_folder_of_something_else_is_not_replaced(small: Export, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(ConfigError, match="something else"):
        write_export(small, tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_a_difference_is_measured_in_the_labels_deviation() -> None:
    tasks = TaskSet([Task("r", "regression", mean=2000.0, scale=2.0), Task("b")])
    expected = torch.tensor([[2000.0, 0.5]])
    assert difference(expected, expected, tasks) == 0
    assert difference(expected + torch.tensor([[0.0, 1e-3]]), expected, tasks) == pytest.approx(
        1e-3, rel=1e-2
    )
    assert difference(expected + torch.tensor([[0.2, 0.0]]), expected, tasks) == pytest.approx(0.1, rel=1e-2)
    assert difference(expected * torch.nan, expected, tasks) == torch.inf


def test_a_model_that_would_be_exported_wrong_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = artifact_of(KINDS, SMALL)
    run = OnnxEngine.run
    monkeypatch.setattr(OnnxEngine, "run", lambda self, inputs: run(self, inputs) + 1e-3)
    with pytest.raises(CheckpointError, match="differs from the library"):
        export_artifact(artifact)
