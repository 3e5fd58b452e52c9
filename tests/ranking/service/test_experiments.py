"""Experiments in the service: users get their arm's list, the log says which, and looks follow from it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from server_kit import Server
from service_kit import Trained

from sharewise.errors import CheckpointError, ConfigError, DataError
from sharewise.ranking.experiment import Arm, ExperimentPlan, arm_of
from sharewise.ranking.options import BlendOptions
from sharewise.ranking.service import FeedbackLog, Service, ServiceOptions
from sharewise.ranking.service.app import make_app
from sharewise.ranking.service.feedback_log import microseconds
from sharewise.report import render_service

CONTEXT = {"device": "tv"}
RANKERS = ExperimentPlan("rankers", (Arm("a"), Arm("b", ranker="other")), fewest=2)
CLICKS = BlendOptions("sum", {"click": 1.0})
BLENDS = ExperimentPlan("blends", (Arm("old"), Arm("clicks", blend=CLICKS)), traffic=0.5)


class Clock:
    """A time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = microseconds()

    def __call__(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture(scope="module")
def models(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for folder, name in ((trained.ranker, "first"), (trained.other, "other"), (trained.ranker, "cut")):
        shutil.copytree(folder, root / name)
    content = (root / "cut" / "model.onnx").read_bytes()
    (root / "cut" / "model.onnx").write_bytes(content[: len(content) // 2])
    return root


@pytest.fixture
def plans() -> list[ExperimentPlan]:
    return [RANKERS, BLENDS]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(
    trained: Trained, models: Path, tmp_path: Path, plans: list[ExperimentPlan], clock: Clock
) -> Iterator[Service]:
    log = FeedbackLog(tmp_path / "log", settle=0, now=clock)
    yield Service(models / "first", trained.candidates, log, models, plans=lambda: plans)
    log.close()


def test_users_get_the_list_of_their_arms(service: Service, trained: Trained, models: Path) -> None:
    alone = {
        name: Service(models / name, trained.candidates, service.log).versions.current.base
        for name in ("first", "other")
    }
    seen = set()
    for user in range(100):
        found = service.recommend(user, 5, CONTEXT, 4)
        arms = {plan.name: arm_of(plan, user) for plan in (RANKERS, BLENDS)}
        assert found["arms"] == ";".join(f"{name}={arm}" for name, arm in arms.items() if arm)
        ranker = alone["other" if arms["rankers"] == "b" else "first"]
        expected = [one["predictions"]["click"] for one in ranker.recommend(user, 5, CONTEXT, 10**6).items]
        if arms["blends"] == "clicks":
            expected.sort(reverse=True)
            assert found["items"][0]["score"] == pytest.approx(found["items"][0]["predictions"]["click"])
        assert [one["predictions"]["click"] for one in found["items"]] == pytest.approx(
            expected[:4], abs=1e-6
        )
        seen.add(found["model"])
    assert len(seen) == 4  # two rankers, two blends
    assert service.recommend(None, 5, CONTEXT, 4)["arms"] == ""


def test_the_log_says_who_answered_and_looks_follow(
    service: Service, clock: Clock, plans: list[ExperimentPlan]
) -> None:
    for user in range(60):
        found = service.recommend(user, None, CONTEXT, 3)
        events = [{"item": one["item"], "clicked": True, "watched": 10.0 + user} for one in found["items"]]
        service.feedback(found["request"], events)
    service.watch()
    assert service.watching.evidence()[0]["looks"] == []
    clock.now += 7_200_000_000
    service.watch()
    rows = pl.read_parquet(service.log.folder / "*.parquet")
    assert set(rows["served_by"].unique()) == {
        version.digest for version in service.versions.current.variants.values()
    }
    for user, arms in rows.select("user", "arms").unique().iter_rows():
        assert arms.split(";")[0] == f"rankers={arm_of(RANKERS, user)}"
    first, second = service.watching.evidence()
    assert sum(first["looks"][-1]["users"].values()) == 60
    assert first["looks"][-1]["readings"][0]["outcome"] == "time_spent"
    assert sum(second["looks"][-1]["users"].values()) < 60
    assert second["looks"][-1]["readings"] == ()  # 100 users of an arm are too many here
    plans[:] = [BLENDS]
    service.restart_experiments()
    service.watch()
    assert [one["plan"]["name"] for one in service.watching.evidence()] == ["blends"]


def test_arms_are_no_features_of_what_is_trained_on_them(service: Service, clock: Clock) -> None:
    from sharewise.ranking.plan import RankPlan
    from sharewise.ranking.schema import settle

    found = service.recommend(1, None, CONTEXT, 3)
    service.feedback(found["request"], [{"item": one["item"], "clicked": True} for one in found["items"]])
    clock.now += 7_200_000_000
    service.watch()
    types = dict(pl.read_parquet(service.log.folder / "*.parquet").schema)
    assert {"arms", "served_by"} <= set(types)
    assert not {"arms", "served_by"} & set(settle(types, RankPlan()).features)


def test_a_swap_keeps_the_experiments_and_back_brings_them_back(
    service: Service, plans: list[ExperimentPlan]
) -> None:
    assert service.swap("other", None)["experiments"] == ["rankers", "blends"]
    plans[:] = []
    assert service.restart_experiments()["experiments"] == []
    assert service.recommend(1, None, CONTEXT, 3)["arms"] == ""
    assert service.back()["experiments"] == ["rankers", "blends"]
    assert service.changes()[0]["experiments"] == ["rankers", "blends"]


@pytest.mark.parametrize(
    "plan, error, words",
    [
        (ExperimentPlan("x", (Arm("a"), Arm("b", ranker="cut"))), CheckpointError, "model.onnx"),
        (ExperimentPlan("x", (Arm("a"), Arm("b", ranker="gone"))), ConfigError, "no model 'gone'"),
        (ExperimentPlan("x", (Arm("a"), Arm("b", ranker=".."))), ConfigError, "no model '..'"),
        (ExperimentPlan("x", (Arm("a"), Arm("b", candidates="first"))), CheckpointError, "candidates"),
        (
            ExperimentPlan("x", (Arm("a"), Arm("b", blend=BlendOptions("sum", {"clik": 1.0})))),
            ConfigError,
            "clik",
        ),
        (ExperimentPlan("rankers", (Arm("a"), Arm("b"))), ConfigError, "both have the name"),
        (ExperimentPlan("x", (Arm("a"), Arm("b", ranker="other"))), ConfigError, "both have the ranker"),
    ],
)
def test_experiments_that_cannot_run_are_refused_and_the_others_go_on(
    service: Service,
    plans: list[ExperimentPlan],
    plan: ExperimentPlan,
    error: type[Exception],
    words: str,
) -> None:
    lineup = service.versions.current
    plans[:] = [RANKERS, plan] if "both" in words else [plan]
    with pytest.raises(error, match=words):
        service.restart_experiments()
    assert service.versions.current is lineup
    assert service.changes()[0]["refused"]
    assert service.recommend(1, None, CONTEXT, 3)["items"]


def ask(service: Service, path: str, **more: Any) -> httpx.Response:
    """Ask for a page or for what it shows."""

    async def one() -> httpx.Response:
        app = make_app(service, ServiceOptions(**more.pop("options", {})), render_service)
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(more.pop("method", "GET"), path, **more)

    return asyncio.run(one())


def test_the_page_shows_lists_side_by_side(service: Service) -> None:
    empty = ask(service, "/")
    assert empty.status_code == 200
    assert "first answers" in empty.text
    asked = {
        "user": "3",
        "query": "5",
        "count": "4",
        "context.device": "tv",
        "left": "rankers=a",
        "right": "rankers=b",
    }
    page = ask(service, "/", params=asked)
    assert page.text.count('<table class="list">') == 2
    expected = [service.preview(3, 5, CONTEXT, 4, arm) for arm in ("rankers=a", "rankers=b")]
    for one in expected:
        for item in one["items"]:
            assert f'data-value="{json.dumps(item["score"])}"' in page.text
    assert service.log.state() == {}  # nothing of it was shown to anybody


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"user": "x", "context.device": "tv"}, "Write a number"),
        ({"user": "1", "count": "0"}, "no lists of 0 items"),
        ({"user": "1", "count": "201"}, "no lists of 201 items"),
        ({"user": "1", "count": "9" * 5000}, "Write a number"),
        ({"user": "9" * 30}, "user"),
        ({"user": "1", "left": "rankers=c"}, "no arm"),
        ({"user": "1", "left": "nothing"}, "no arm"),
        ({"user": "1", "right": "=;=<script>"}, "no arm"),
        ({"user": "<script>alert(1)</script>"}, "&lt;script&gt;"),
    ],
)
def test_a_page_that_was_asked_nonsense_says_so(service: Service, asked: dict[str, str], words: str) -> None:
    page = ask(service, "/", params=asked)
    assert page.status_code == 200
    assert words in page.text
    assert "<script" not in page.text
    assert 'class="problem"' in page.text


def test_experiments_over_http(service: Service, plans: list[ExperimentPlan]) -> None:
    service.watch()
    assert [one["plan"]["name"] for one in ask(service, "/experiments").json()] == ["rankers", "blends"]
    plans[:] = [BLENDS]
    assert ask(service, "/experiments", method="POST").json()["experiments"] == ["blends"]
    plans[:] = [BLENDS, BLENDS]
    refused = ask(service, "/experiments", method="POST")
    assert refused.status_code == 409
    assert "both have" in refused.json()["error"]


def test_a_browser_gives_the_token_as_a_password(service: Service) -> None:
    options = {"token": "a-token-of-some-length"}
    none = ask(service, "/", options=options)
    assert none.status_code == 401
    assert none.headers["www-authenticate"].startswith("Basic")
    assert ask(service, "/", options=options, auth=("", "a-token-of-some-length")).status_code == 200
    assert ask(service, "/", options=options, auth=("", "another")).status_code == 401
    for header in ("Basic !!!", "Basic", "Basic YQ==", "Digest x", ""):
        assert ask(service, "/", options=options, headers={"authorization": header}).status_code == 401


def test_metrics_are_those_of_prometheus(service: Service) -> None:
    parser = pytest.importorskip("prometheus_client.parser")

    async def some() -> str:
        app = make_app(service, ServiceOptions())
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for _ in range(3):
                await client.post("/recommend", json={"user": 1, "context": CONTEXT})
            await client.post("/recommend", json={"user": "x"})
            await client.get("/nowhere/at/all")
            return (await client.get("/metrics")).text

    families = {one.name: one for one in parser.text_string_to_metric_families(asyncio.run(some()))}
    answers = {(s.labels["path"], s.labels["status"]): s.value for s in families["sharewise_answers"].samples}
    assert answers["/recommend", "200"] == 3
    assert answers["/recommend", "422"] == 1
    assert answers["other", "404"] == 1
    counts = [s for s in families["sharewise_request_seconds"].samples if s.name.endswith("_count")]
    assert {s.labels["path"]: s.value for s in counts}["/recommend"] == 4
    (model,) = families["sharewise_model"].samples
    assert model.labels["model"] == service.versions.current.base.digest


def test_a_real_server_reads_its_experiments_from_files(
    trained: Trained, models: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "experiments"
    folder.mkdir()
    text = 'name = "{}"\n[[arms]]\nname = "a"\n[[arms]]\nname = "b"\nranker = "other"\n'
    (folder / "one.toml").write_text(text.format("one"))
    arguments = ("--log", tmp_path / "log", "--models", models, "--experiments", folder)
    with Server(models / "first", trained.candidates, *arguments) as server:
        assert server.client.get("/health").json()["experiments"] == ["one"]
        found = {server.post("/recommend", {"user": n, "context": CONTEXT}).json()["arms"] for n in range(12)}
        assert found == {"one=a", "one=b"}
        assert "first answers" in server.client.get("/").text
        (folder / "one.toml").write_text(text.format("two"))
        assert server.post("/experiments", {}).json()["experiments"] == ["two"]
        (folder / "one.toml").write_text("name = ")
        refused = server.post("/experiments", {})
        assert refused.status_code == 409
        assert "TOML" in refused.json()["error"]
        assert server.client.get("/health").json()["experiments"] == ["two"]
        assert server.stop() == 0


def test_a_request_may_say_what_any_arm_reads_and_no_more(service: Service) -> None:
    with pytest.raises(DataError, match="unknown"):
        service.recommend(1, None, {**CONTEXT, "nonsense": 1}, 3)
