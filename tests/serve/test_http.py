"""A trained model of tables over HTTP: the predictions of the run, limits, errors that say what is wrong."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

import sharewise as sw  # noqa: E402
from sharewise.serve import load  # noqa: E402
from sharewise.serve.http import load_either, make_prediction_app  # noqa: E402
from sharewise.web import ServerOptions  # noqa: E402


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    number = pl.int_range(200, eager=True)
    frame = pl.DataFrame(
        {
            "size": number * 37 % 91,
            "kind": (number % 3).cast(pl.String),
            "big": number * 37 % 91 > 45,
            "sort": (number % 4).cast(pl.String),
            "price": (number * 13 % 17).cast(pl.Float64),
        }
    )
    tasks = [sw.Task("big", label="big"), sw.Task("sort", "multiclass"), sw.Task("price", "regression")]
    table = sw.Table(frame, tasks, features=sw.Features(keep=("size", "kind")))
    folder = tmp_path_factory.mktemp("served") / "run"
    model = sw.MultiTaskModel(table.tasks, table.schema.inputs, sw.ModelOptions(hidden=(8,)))
    sw.fit(model, table, sw.TrainOptions(epochs=1, device="cpu"), folder=folder)
    return folder


def post(run: Path, body: Any, path: str = "/predict", **options: Any) -> Any:
    app = make_prediction_app(load_either(run), run, ServerOptions(**options))
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def one() -> Any:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://test",  # type: ignore[arg-type]
        ) as client:
            return await client.post(path, content=content, headers={"content-type": "application/json"})

    return asyncio.run(one())


ROWS = [{"size": 3, "kind": "1"}, {"size": None, "kind": "new"}, {"kind": "2", "size": 10**6}]


def test_predictions_are_those_of_the_run(run: Path) -> None:
    answer = post(run, {"rows": ROWS})
    assert answer.status_code == 200, answer.text
    expected = load(run).predict(pl.DataFrame(ROWS)).to_dicts()
    found = answer.json()["predictions"]
    assert [list(row) for row in found] == [list(row) for row in expected]
    for one, two in zip(found, expected, strict=True):
        assert one == pytest.approx(two)


@pytest.mark.parametrize(
    "body, status, words",
    [
        (b"{", 422, "JSON"),
        ({}, 422, "rows"),
        ({"rows": []}, 422, "rows"),
        ({"rows": [{"size": 1}]}, 422, "kind"),
        ({"rows": [{"size": 1, "kind": {"a": 1}}]}, 422, "rows"),
        ({"rows": [{"size": "big", "kind": "1"}]}, 422, "size"),
        ({"rows": ROWS, "more": 1}, 422, "more"),
        (b'{"rows": [{"size": NaN, "kind": "1"}]}', 422, ""),
        ({"rows": [{"size": 1, "kind": "x" * 5000}]}, 422, "rows"),
        (b"x" * 300_000, 413, "bytes"),
    ],
)
def test_what_cannot_be_used_is_said(run: Path, body: Any, status: int, words: str) -> None:
    answer = post(run, body)
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert words in said["error"] + said["remedy"]


def test_a_real_server(run: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "sharewise", "serve", str(run), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            for _ in range(600):
                try:
                    client.get("/health")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            health = client.get("/health").json()
            assert [task["name"] for task in health["tasks"]] == ["big", "sort", "price"]
            answer = client.post("/predict", json={"rows": ROWS})
            assert len(answer.json()["predictions"]) == 3
            assert 'sharewise_answers_total{path="/predict",status="200"} 1.0' in client.get("/metrics").text
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
