"""Requests that are malformed, too large, too slow, too many or not allowed get 4xx or 503, never 500."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from service_kit import Trained

from sharewise.errors import ConfigError, SharewiseError
from sharewise.ranking.service import FeedbackLog, Service, ServiceOptions
from sharewise.ranking.service.app import make_app

GOOD = {"user": 1, "query": 2, "context": {"device": "tv"}, "count": 3}


@pytest.fixture(scope="module")
def service(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = FeedbackLog(tmp_path_factory.mktemp("served"))
    yield Service(trained.ranker, trained.candidates, log)
    log.close()


def ask(service: Service, options: ServiceOptions, *requests: dict[str, Any]) -> list[httpx.Response]:
    """Send requests at the same time."""

    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(make_app(service, options))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await asyncio.gather(*(client.request(**{"method": "POST", **one}) for one in requests))

    return asyncio.run(all_of_them())


def post(service: Service, path: str, body: Any, **more: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    (found,) = ask(service, ServiceOptions(**more), {"url": path, "content": content, "headers": headers})
    return found


def served(service: Service) -> Any:
    """Return the answer to a good request."""
    answer = post(service, "/recommend", GOOD)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"user": NaN}',
        b'{"user": 1e999}',
        b"[" * 100_000,
        b'{"user": ' + b"9" * 5000 + b"}",
        {**GOOD, "user": 2**63},
        {**GOOD, "user": -(2**63)},
        {**GOOD, "user": 1.5},
        {**GOOD, "user": True},
        {**GOOD, "user": "seven"},
        {**GOOD, "user": [1]},
        {**GOOD, "query": "x"},
        {**GOOD, "count": 0},
        {**GOOD, "count": -1},
        {**GOOD, "count": 10**9},
        {**GOOD, "count": 201},
        {**GOOD, "count": "3"},
        {**GOOD, "surprise": 1},
        {**GOOD, "context": {}},
        {**GOOD, "context": []},
        {**GOOD, "context": {"device": 3}},
        {**GOOD, "context": {"device": ["tv"]}},
        {**GOOD, "context": {"device": {"a": 1}}},
        {**GOOD, "context": {"device": "tv", "devise": 1}},
        {**GOOD, "context": {"device": "tv", "item": 4}},
        {**GOOD, "context": {"device": "tv", "quality": "good"}},
        {**GOOD, "context": {"device": "tv", "views": 2**63}},
        {**GOOD, "context": {"device": "tv", "views": 1.5}},
        {**GOOD, "context": {"device": "x" * 600}},
        {**GOOD, "context": {f"c{number}": 1 for number in range(300)}},
        b'{"user": 1, "context": {"device": "\\ud800"}}',
        b'{"user": "\\udfff", "context": {"device": "tv"}}',
        b'{"user": 1, "context": {"\\ud800": 1, "device": "tv"}}',
    ],
    ids=lambda body: str(body)[:40],
)
def test_malformed_requests_are_told_why(service: Service, body: Any) -> None:
    answer = post(service, "/recommend", body)
    assert answer.status_code in (400, 422), answer.text
    assert set(answer.json()) == {"error", "remedy"}


@pytest.mark.parametrize(
    "change",
    [
        {"request": 5},
        {"request": -1},
        {"request": 2**53 + 1},
        {"request": "x"},
        {"request": None},
        {"events": []},
        {"events": [{"item": 10**6}]},
        {"events": [{"clicked": True}]},
        {"events": [{"item": None}]},
        {"events": [{"item": 1, "clicked": "yes"}]},
        {"events": [{"item": 1, "watched": -1}]},
        {"events": [{"item": 1, "position": 0}]},
        {"events": [{"item": 1, "surprise": 1}]},
        {"events": [{"item": 1, "surprise": "\ud800"}]},
        {"events": [{"item": 1, "surprise": [1]}]},
        {"events": [{"item": 1}] * 1001},
    ],
    ids=lambda change: str(change)[:40].encode("ascii", "replace").decode(),
)
def test_malformed_feedback_is_told_why(service: Service, change: dict[str, Any]) -> None:
    answer = served(service)
    events = [{"item": answer["items"][0]["item"], "clicked": True}]
    before = service.log.state()
    refused = post(service, "/feedback", {"request": answer["request"], "events": events, **change})
    assert refused.status_code == 422, refused.text
    assert service.log.state() == before


def test_values_of_all_types_and_unknown_ids_are_answered(service: Service) -> None:
    context = {"device": None, "quality": 1, "views": 3}
    for user, query in ((None, None), (10**15, 10**15), (-1, 0), (1, 2)):
        answer = post(service, "/recommend", {"user": user, "query": query, "context": context})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) == 10
    assert (
        post(service, "/recommend", {**GOOD, "context": {"device": "tv", "quality": True}}).status_code == 200
    )


def test_paths_and_methods_that_there_are_not(service: Service) -> None:
    for method, path, status in (
        ("GET", "/recommend", 405),
        ("POST", "/health", 405),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/docs", 404),
        ("GET", "/openapi.json", 200),
    ):
        (answer,) = ask(service, ServiceOptions(), {"method": method, "url": path})
        assert answer.status_code == status


def test_large_bodies_are_refused_whether_they_say_so_or_not(service: Service) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    (said,) = ask(service, ServiceOptions(most_bytes=1000), {"url": "/recommend", "content": b" " * 1001})
    (unsaid,) = ask(service, ServiceOptions(most_bytes=1000), {"url": "/recommend", "content": pieces()})
    assert said.status_code == unsaid.status_code == 413


def test_slow_bodies_are_given_up(service: Service) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)
        yield b"}"

    (answer,) = ask(service, ServiceOptions(body_seconds=0.05), {"url": "/recommend", "content": slow()})
    assert answer.status_code == 408


def test_overload_is_shed_and_health_still_answers(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [{"url": "/recommend", "json": GOOD}] * 12 + [{"method": "GET", "url": "/health"}]
    answers = ask(service, ServiceOptions(waiting=3, workers=1), *requests)
    codes = [answer.status_code for answer in answers]
    assert codes[:12].count(200) >= 3
    assert codes[:12].count(503) >= 1
    assert set(codes[:12]) == {200, 503}
    assert codes[12] == 200
    shed = next(answer for answer in answers if answer.status_code == 503)
    assert shed.headers["retry-after"] == "1"
    again = ask(service, ServiceOptions(waiting=3, workers=1), *requests[:3])  # nothing is still counted
    assert [answer.status_code for answer in again] == [200] * 3


def test_a_full_disk_is_the_services_fault(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = served(service)

    def full(*_: object) -> None:
        raise SharewiseError("The disk is full.", "Free some space.")

    monkeypatch.setattr(service.log, "take", full)
    events = [{"item": answer["items"][0]["item"]}]
    refused = post(service, "/feedback", {"request": answer["request"], "events": events})
    assert refused.status_code == 503
    assert refused.json()["error"] == "The disk is full."


def test_the_token_is_asked_for_everywhere_but_at_health(service: Service) -> None:
    token = "0123456789abcdef"
    for path, header, status in (
        ("/recommend", None, 401),
        ("/recommend", "Bearer wrong", 401),
        ("/recommend", "Bearer é", 401),
        ("/models", None, 401),
        ("/openapi.json", None, 401),
        ("/recommend", f"Bearer {token}", 200),
    ):
        headers = {} if header is None else {"authorization": header.encode()}
        (answer,) = ask(service, ServiceOptions(token=token), {"url": path, "json": GOOD, "headers": headers})
        assert answer.status_code == status
    (answer,) = ask(service, ServiceOptions(token=token), {"method": "GET", "url": "/health"})
    assert answer.status_code == 200


def test_an_open_address_needs_a_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Without a token"):
        ServiceOptions(host="0.0.0.0")
    assert ServiceOptions(host="0.0.0.0", token="0123456789abcdef").port == 8000


def test_models_are_named_and_nothing_outside_is_read(service: Service) -> None:
    for name in ("../..", "/etc", "a/b", "", "."):
        assert post(service, "/models", {"ranker": name}).status_code == 409
    assert post(service, "/models", {}).status_code == 409
