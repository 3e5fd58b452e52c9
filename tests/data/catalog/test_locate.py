from __future__ import annotations

import hashlib
import io
from pathlib import Path
from urllib.error import URLError

import polars as pl
import pytest

from sharewise.data.catalog import locate
from sharewise.data.catalog.derived import derived
from sharewise.data.catalog.locate import Resource
from sharewise.errors import DataError

CONTENT = b"some rows"
ADDRESS = "https://example.org/rows.gz"
RESOURCE = Resource("set/rows.gz", hashlib.sha256(CONTENT).hexdigest(), ADDRESS)


def answer(monkeypatch: pytest.MonkeyPatch, content: bytes) -> list[str]:
    """Let every download give `content`; return the list of asked addresses, filled as it happens."""
    asked: list[str] = []

    def open_address(address: str, timeout: float) -> io.BytesIO:
        asked.append(address)
        return io.BytesIO(content)

    monkeypatch.setattr("urllib.request.urlopen", open_address)
    return asked


def test_the_users_folder_comes_first(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, b"")
    for base in (tmp_path / "mine", cache):
        (base / "set").mkdir(parents=True)
        (base / "set/rows.gz").write_bytes(CONTENT)
    assert locate.locate(RESOURCE) == cache / "set/rows.gz"
    monkeypatch.setenv("SHAREWISE_DATA", str(tmp_path / "mine"))
    assert locate.locate(RESOURCE) == tmp_path / "mine/set/rows.gz"
    assert asked == []


def test_a_download_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, CONTENT)
    for _ in range(2):
        assert locate.locate(RESOURCE).read_bytes() == CONTENT
    assert asked == [ADDRESS]
    assert [path.name for path in (cache / "set").iterdir()] == ["rows.gz"]


def test_a_wrong_download_is_refused_and_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, CONTENT[:-1])
    with pytest.raises(DataError, match="not the expected one"):
        locate.locate(RESOURCE)
    assert list((cache / "set").iterdir()) == []


def test_a_changed_file_is_refused(cache: Path) -> None:
    (cache / "set").mkdir(parents=True)
    (cache / "set/rows.gz").write_bytes(CONTENT + b"!")
    with pytest.raises(DataError, match=r"rows\.gz is not the expected one") as error:
        locate.locate(RESOURCE)
    assert ADDRESS in error.value.remedy


def test_offline_the_message_says_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", fail)
    with pytest.raises(DataError) as error:
        locate.locate(RESOURCE)
    message = str(error.value)
    for part in (ADDRESS, "no route to host", "SHAREWISE_DATA", str(cache / "set/rows.gz")):
        assert part in message


def test_a_file_without_an_address_is_not_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, CONTENT)
    with pytest.raises(DataError, match="no address"):
        locate.locate(Resource("set/rows.gz", RESOURCE.sha256))
    assert asked == []


def test_package_files() -> None:
    assert locate.package_file("sharewise", "py.typed", "demo").is_file()
    with pytest.raises(DataError, match=r"not installed.*sharewise\[demo\]"):
        locate.package_file("no_such_package", "data.csv", "demo")
    with pytest.raises(DataError, match="holds no file"):
        locate.package_file("sharewise", "no/such.csv", "demo")


class Builder:
    """Counts how often the table was made."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> pl.DataFrame:
        self.calls += 1
        return pl.DataFrame({"x": [1, 2, 3]})


def test_a_derived_table_is_made_once(cache: Path, tmp_path: Path) -> None:
    source, build = tmp_path / "source.csv", Builder()
    source.write_text("x\n1\n")
    for _ in range(2):
        assert derived("set", 1, [source], build).collect()["x"].to_list() == [1, 2, 3]
    assert build.calls == 1
    source.write_text("x\n2\n")
    derived("set", 1, [source], build)
    assert build.calls == 2
    derived("set", 2, [source], build)
    assert build.calls == 3


def test_a_damaged_derived_table_is_made_again(cache: Path, tmp_path: Path) -> None:
    build = Builder()
    derived("set", 1, [], build)
    (path,) = (cache / "set").iterdir()
    path.write_bytes(path.read_bytes()[:20])
    assert derived("set", 1, [], build).collect().height == 3
    assert build.calls == 2


def test_a_cache_that_cannot_be_written_costs_only_time(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    build = Builder()
    assert derived("set", 1, [], build).collect().height == 3
    assert derived("set", 1, [], build).collect().height == 3
    assert build.calls == 2
