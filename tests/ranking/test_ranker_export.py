"""An exported ranker predicts as the ranker does, in Python and by the command."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

import rank_logs
from service_kit import train_ranker

from sharewise.cli.main import main
from sharewise.errors import CheckpointError, ConfigError
from sharewise.export import read_export, session
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.export import export_ranker, load_exported_ranker


@pytest.mark.parametrize(
    ("sharing", "bias"),
    [("mmoe", "tower"), ("mmoe", "feature"), ("mmoe", "none"), ("independent", "tower")],
)
def test_predictions_are_the_rankers(tmp_path: Path, sharing: str, bias: str) -> None:
    rank_logs.write(tmp_path / "log", 2)
    folder = train_ranker(tmp_path, bias=bias, sharing=sharing)
    ranker = load_ranker(folder)
    export = export_ranker(ranker)
    assert max(export.differences.values()) <= 1e-5
    assert set(export.inputs) <= {"growing", "categorical", "numeric"}  # no places
    assert len(export.columns) == 5


def test_the_command_writes_what_predicts_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rank_logs.write(tmp_path / "log", 2)
    folder = train_ranker(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["export", str(folder), "--out", str(tmp_path / "out")])
    assert not left.value.code, capsys.readouterr().err
    assert "click" in capsys.readouterr().out
    # Users and items that were never seen, and missing values, among others.
    rows = rank_logs.partition(7, users=900).with_columns(device=pl.lit(None, pl.String))
    expected, found = load_ranker(folder).predict(rows), load_exported_ranker(tmp_path / "out").predict(rows)
    assert found.columns == expected.columns
    for name in expected.columns:
        assert (found[name] - expected[name]).abs().max() < 2e-5  # type: ignore[operator]
    monkeypatch.setattr(session, "OnnxEngine", _absent)
    with pytest.raises(ConfigError, match="ONNX Runtime"):  # torch would unpickle its own format
        load_exported_ranker(tmp_path / "out")


def _absent(*_: object) -> object:
    raise ImportError("onnxruntime")


def test_what_is_no_export_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rank_logs.write(tmp_path / "log", 1)
    folder = train_ranker(tmp_path)
    with pytest.raises(CheckpointError, match="no exported model"):
        read_export(folder)
    for argv in (
        ["export", str(tmp_path / "log"), "--out", "x"],
        ["export", str(folder), "--out", str(folder)],
    ):
        with pytest.raises(SystemExit) as left:
            main(argv)
        assert left.value.code == 2
        assert "Traceback" not in capsys.readouterr().err
