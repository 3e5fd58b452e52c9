"""One small log, a ranker and candidates, for all tests that only serve them."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

import rank_logs
from service_kit import Trained, learn_candidates, train_ranker

from sharewise.export import write_export
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.export import export_ranker


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = tmp_path_factory.mktemp("trained")
    rank_logs.write(root / "log", 2)
    run, second = train_ranker(root), train_ranker(root, seed=1, name="second")
    for folder, name in ((run, "exported"), (second, "other")):
        write_export(export_ranker(load_ranker(folder)), root / name)
    return Trained(root, run, root / "exported", root / "other", learn_candidates(root))
