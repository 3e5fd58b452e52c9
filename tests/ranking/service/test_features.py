"""Features between versions: they count at once, outlive process and swaps, and others may write them."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service_kit import Trained

from sharewise.errors import DataError, SharewiseError
from sharewise.ranking.service import FeedbackLog, Service
from sharewise.ranking.service.feature_store import FeatureStore
from sharewise.ranking.service.sqlite_store import SqliteStore
from sharewise.ranking.service.stores import open_store

CONTEXT = {"device": "tv"}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis on a socket of its own; its address."""
    server = shutil.which("redis-server")
    pytest.importorskip("redis")
    if server is None:
        pytest.skip("there is no redis-server")
    folder = tmp_path_factory.mktemp("redis")
    command = [server, "--port", "0", "--unixsocket", str(folder / "socket"), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder)
    for _ in range(200):
        if (folder / "socket").exists():
            break
        time.sleep(0.05)
    yield f"unix://{folder / 'socket'}"
    process.terminate()
    process.wait()


@pytest.fixture(params=["sqlite", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "features.sqlite")
    address = str(request.getfixturevalue("redis"))
    client = pytest.importorskip("redis").Redis.from_url(address)
    client.flushall()
    return address


@pytest.fixture
def store(where: str) -> FeatureStore:
    return open_store(where)


@pytest.fixture
def service(trained: Trained, tmp_path: Path, store: FeatureStore) -> Iterator[Service]:
    log = FeedbackLog(tmp_path / "log")
    yield Service(trained.ranker, trained.candidates, log, trained.root, features=store)
    log.close()


def click(service: Service, item: int) -> Any:
    """Return what is predicted of an item for one user."""
    items = service.preview(3, 5, CONTEXT, 10**4)["items"]
    return next(one["predictions"]["click"] for one in items if one["item"] == item)


def first(service: Service) -> int:
    return int(service.preview(3, 5, CONTEXT, 1)["items"][0]["item"])


def test_what_is_told_counts_at_once_and_is_logged(service: Service) -> None:
    item = first(service)
    before = click(service, item)
    assert service.put_features("item", [{"item": item, "views": 10**6}]) == {"known": 1}
    after = click(service, item)
    assert after != before
    request = service.recommend(3, 5, CONTEXT, 10**4)["request"]
    hour = next(iter(service.log._hours.values()))
    record = next(one for one in _records(hour.journal.path) if one.get("served") == request)
    assert record["each"]["views"][record["each"]["item"].index(item)] == 10**6
    service.put_features("item", [{"item": item, "views": None}])
    assert click(service, item) not in (before, after)  # nothing is known is something of its own


def _records(path: Path) -> list[Any]:
    from sharewise.ranking.service.journal import read_journal

    return list(read_journal(path))


def test_a_request_that_says_it_comes_first(service: Service) -> None:
    item = first(service)
    said = service.preview(3, 5, {**CONTEXT, "views": 77}, 10**4)["items"]
    service.put_features("item", [{"item": item, "views": 10**6}])
    assert service.preview(3, 5, {**CONTEXT, "views": 77}, 10**4)["items"] == said


def test_features_outlive_swaps_and_the_process(
    service: Service, trained: Trained, tmp_path: Path, where: str
) -> None:
    item = first(service)
    service.put_features("item", [{"item": item, "views": 10**6}])
    told = click(service, item)
    service.swap(trained.other.name, None)
    service.swap(trained.ranker.name, None)
    assert click(service, item) == told
    service.log.close()
    again = Service(
        trained.ranker,
        trained.candidates,
        FeedbackLog(tmp_path / "log"),
        features=open_store(where),
    )
    assert click(again, item) == told
    again.log.close()


def test_others_may_write_it(service: Service, where: str) -> None:
    item = first(service)
    before = click(service, item)
    open_store(where).put("item", [{"item": item, "views": 10**6}])
    assert click(service, item) == before
    service.watch()  # as it does every few seconds
    assert click(service, item) != before


def test_what_others_wrote_wrongly_stays_out_and_stops_nothing(service: Service, where: str) -> None:
    item = first(service)
    before = click(service, item)
    rows = [{"item": 1, "views": "many"}, {"item": "x"}, {"item": item, "views": 10**6, "colour": "red"}]
    open_store(where).put("item", rows)
    service.watch()
    assert click(service, item) != before
    service.restart_experiments()  # what is loaded anew follows too
    assert click(service, item) != before


def test_columns_that_are_not_given_stay(store: FeatureStore) -> None:
    store.put("item", [{"item": 1, "views": 5, "quality": 0.5}, {"item": 2, "views": 1}])
    number, found = store.since(0)
    store.put("item", [{"item": 1, "views": 6}])
    later, changed = store.since(number)
    assert found == {"item": [{"item": 1, "views": 5, "quality": 0.5}, {"item": 2, "views": 1}]}
    assert changed == {"item": [{"item": 1, "views": 6, "quality": 0.5}]}
    assert store.since(later) == (later, {})


@pytest.mark.parametrize(
    "key, rows, words",
    [
        ("item", [{"views": 1}], "says no item"),
        ("item", [{"item": None, "views": 1}], "says no item"),
        ("item", [{"item": 1, "veiws": 1}], "Did you mean 'views'"),
        ("item", [{"item": 1, "views": "many"}], "another type"),
        ("item", [{"item": "one", "views": 1}], "another type"),
        ("item", [{"item": 1, "views": 1.5}], "another type"),
        ("user", [{"user": 1, "views": 1}], "Nothing is remembered"),
        ("video", [{"video": 1}], "no features of 'video'"),
    ],
)
def test_what_cannot_be_told_is_refused_and_not_kept(
    service: Service, store: FeatureStore, key: str, rows: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        service.put_features(key, rows)
    assert store.since(0) == (0, {})


def test_items_that_nobody_knows_are_kept_for_later(service: Service, store: FeatureStore) -> None:
    assert service.put_features("item", [{"item": 10**12, "views": 3}]) == {"known": 0}
    assert store.since(0)[1] == {"item": [{"item": 10**12, "views": 3}]}


def test_a_service_without_a_file_keeps_none(trained: Trained, tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log")
    service = Service(trained.ranker, trained.candidates, log)
    with pytest.raises(DataError, match="--features"):
        service.put_features("item", [{"item": 1, "views": 1}])
    log.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"nothing of the sort" * 100)
    with pytest.raises(SharewiseError, match="cannot be used"):
        SqliteStore(tmp_path / "x")


def test_a_redis_that_does_not_answer_is_said(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    with pytest.raises(SharewiseError, match="cannot be used"):
        open_store(f"unix://{tmp_path / 'nobody'}")
