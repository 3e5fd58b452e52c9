"""Hot swaps: broken versions are refused with a reason, and no request is lost or answered by two."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import torch
from server_kit import Server
from service_kit import CANDIDATES, Trained, learn_candidates, train_ranker

from sharewise.errors import CheckpointError, ConfigError
from sharewise.export import write_export
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.export import export_ranker
from sharewise.ranking.service import Version, Versions, load_version
from sharewise.ranking.service.canary import check_version


@pytest.fixture(scope="module")
def versions(trained: Trained) -> tuple[Version, Version]:
    return tuple(load_version(folder, trained.candidates) for folder in (trained.ranker, trained.other))  # type: ignore[return-value]


def test_a_swap_and_the_way_back(versions: tuple[Version, Version]) -> None:
    first, second = versions
    both = Versions(first, check_version)
    assert both.swap(lambda: second) is both.current is second
    assert both.back() is both.current is first
    assert both.back() is second
    assert both.swaps == 3


def test_a_run_serves_as_its_export_does(trained: Trained, versions: tuple[Version, Version]) -> None:
    run = load_version(trained.run, trained.candidates)
    assert run.engine == "onnxruntime"
    asked = {"user": 3, "query": 5, "context": {"device": "tv"}}
    assert run.recommend(**asked) == versions[0].recommend(**asked)  # type: ignore[arg-type]


def poisoned(trained: Trained, folder: Path, change: Callable[[torch.nn.Module], None]) -> Path:
    """Export a ranker whose weights were changed."""
    ranker = load_ranker(trained.run)
    with torch.no_grad():
        change(ranker.model)
    write_export(export_ranker(ranker), folder)
    return folder


def _spoil(value: float) -> Callable[[torch.nn.Module], None]:
    def change(model: torch.nn.Module) -> None:
        for parameter in model.parameters():
            parameter.fill_(value)

    return change


@pytest.mark.parametrize("value, words", [(torch.nan, "no finite number"), (0.0, "one score")])
def test_a_model_that_predicts_nonsense_is_refused(
    trained: Trained, versions: tuple[Version, Version], tmp_path: Path, value: float, words: str
) -> None:
    folder = poisoned(trained, tmp_path / "bad", _spoil(value))
    both = Versions(versions[0], check_version)
    with pytest.raises(CheckpointError, match=words):
        both.swap(lambda: load_version(folder, trained.candidates))
    assert both.current is versions[0]
    assert words in both.refused
    assert both.swap(lambda: versions[1]) is both.current  # and goes on


def test_one_change_at_a_time(versions: tuple[Version, Version]) -> None:
    both, started, go = Versions(versions[0], check_version), threading.Event(), threading.Event()

    def slow() -> Version:
        started.set()
        go.wait(30)
        return versions[1]

    thread = threading.Thread(target=both.swap, args=(slow,))
    thread.start()
    started.wait(30)
    with pytest.raises(ConfigError, match="being loaded"):
        both.swap(lambda: versions[1])
    go.set()
    thread.join(30)
    assert both.current is versions[1]


def test_candidates_that_forget_what_a_log_needs_are_refused(trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.root / "log", tmp_path / "log")
    text = CANDIDATES.replace('remember_item = ["quality", "views"]', 'relevant = "clicked AND views > 5"')
    forgetful = learn_candidates(tmp_path, text)
    # What a ranker reads and nobody remembers, a request must say; so the log will have it.
    assert "views" in load_version(trained.ranker, forgetful).asking.must
    ranker = train_ranker(tmp_path, log='drop = ["views", "quality"]')
    with pytest.raises(ConfigError, match="'views'"):
        load_version(ranker, forgetful)


def test_swaps_during_requests_lose_and_mix_none(trained: Trained, tmp_path: Path) -> None:
    models = tmp_path / "models"
    for folder, name in (
        (trained.ranker, "a"),
        (trained.other, "b"),
        (trained.ranker, "cut"),
        (trained.run, "run"),
    ):
        shutil.copytree(folder, models / name)
    content = (models / "cut" / "model.onnx").read_bytes()
    (models / "cut" / "model.onnx").write_bytes(content[: len(content) // 2])
    poisoned(trained, models / "nan", _spoil(torch.nan))
    (models / "empty").mkdir()
    own = [(load_version(models / name, trained.candidates)) for name in ("a", "b")]
    body = {"user": 3, "query": 5, "context": {"device": "tv"}, "count": 5}
    asked = {"user": 3, "query": 5, "context": {"device": "tv"}, "count": 5}
    expected = {
        version.digest: [one["predictions"]["click"] for one in version.recommend(**asked).items]  # type: ignore[arg-type]
        for version in own
    }
    assert len(expected) == 2
    answers: list[httpx.Response] = []
    ended = threading.Event()

    with Server(models / "a", trained.candidates, "--log", tmp_path / "log", "--models", models) as server:

        def load() -> None:
            with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
                while not ended.is_set():
                    answers.append(client.post("/recommend", json=body))

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        for turn in range(4):
            good = server.post("/models", {"ranker": "ab"[(turn + 1) % 2]})
            assert good.status_code == 200, good.text
            bad = server.post("/models", {"ranker": ("cut", "nan", "empty")[turn % 3]})
            assert bad.status_code == 409
            assert len(bad.json()["error"]) > 10
            health = server.client.get("/health").json()
            assert health["model"] == good.json()["model"]
            assert bad.json()["error"] in health["refused"]
        assert server.post("/models/back", {}).json()["ranker"] == "b"
        ended.set()
        for thread in threads:
            thread.join()
    assert len(answers) > 12
    assert {answer.status_code for answer in answers} == {200}
    seen = set()
    for answer in answers:
        found = answer.json()
        seen.add(found["model"])
        clicks = [one["predictions"]["click"] for one in found["items"]]
        assert clicks == pytest.approx(expected[found["model"]], abs=1e-6)
    assert seen == set(expected)
    assert len({answer.json()["request"] for answer in answers}) == len(answers)
