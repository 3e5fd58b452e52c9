"""Requests made up from the service's own description find nothing that it answers with a 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from service_kit import Trained

from sharewise.ranking.service import FeedbackLog, Service, ServiceOptions
from sharewise.ranking.service.app import make_app
from sharewise.ranking.service.sqlite_store import SqliteStore
from sharewise.report import render_service

schemathesis = pytest.importorskip("schemathesis")
from schemathesis.generation import GenerationMode  # noqa: E402


@pytest.fixture(scope="module")
def described(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("fuzzed")
    log = FeedbackLog(folder / "log")
    store = SqliteStore(folder / "features.sqlite")
    service = Service(trained.ranker, trained.candidates, log, trained.root, features=store)
    app = make_app(service, ServiceOptions(), render_service)
    yield schemathesis.openapi.from_asgi("/openapi.json", app)
    log.close()


PATHS = (
    ("POST", "/recommend"),
    ("POST", "/feedback"),
    ("POST", "/features"),
    ("POST", "/models"),
    ("POST", "/models/back"),
    ("POST", "/experiments"),
    ("GET", "/experiments"),
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/"),
)


@pytest.mark.parametrize("method, path", PATHS)
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_no_request_ends_in_a_5xx(described: Any, method: str, path: str, mode: str) -> None:
    operation = described[path][method]
    seen = []

    @given(case=operation.as_strategy(generation_mode=GenerationMode[mode]))
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @seed(0)
    def fuzz(case: Any) -> None:
        response = case.call()
        seen.append(response.status_code)
        assert response.status_code < 500, response.text

    try:
        fuzz()
    except Unsatisfiable:
        assert mode == "NEGATIVE"  # what takes nothing can be given nothing wrong
        return
    assert seen


def test_every_path_is_described(described: Any) -> None:
    paths = {found.ok().path for found in described.get_all_operations()}
    assert paths >= {"/recommend", "/feedback", "/features", "/models", "/models/back", "/experiments"}
    assert paths >= {"/", "/health", "/metrics"}


def test_nothing_was_read_outside_of_the_models(trained: Trained, described: Any, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    for name in ("../outside", str(tmp_path / "outside"), "..", ".", "%2e%2e", "log/../log"):
        operation = described["/models"]["POST"]
        case = operation.Case(body={"ranker": name}, media_type="application/json")
        assert case.call().status_code == 409
