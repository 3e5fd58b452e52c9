"""The same seed gives the same files, whenever and however often it is stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from world_kit import TINY, live

from sharewise.errors import ConfigError
from sharewise.ranking.world import Hour, World, WorldOptions, write_world


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_seed_same_bytes_and_another_seed_another_world(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_world(TINY, tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    write_world(replace(TINY, seed=1), tmp_path / "other")
    assert contents(tmp_path / "one").keys() == contents(tmp_path / "other").keys()
    assert contents(tmp_path / "one") != contents(tmp_path / "other")


def test_more_hours_begin_with_the_same_ones() -> None:
    short, long = live(TINY), live(replace(TINY, hours=6))
    assert long.log[: len(short.log)].equals(short.log)
    assert long.truth[: len(short.truth)].equals(short.truth)


def test_hours_without_frames_move_the_world_alike() -> None:
    blind, seeing = World(TINY), World(TINY)
    blind.step(frames=False)
    seeing.step()
    one, two = blind.step(), seeing.step()
    assert one.tally == two.tally
    assert one.log is not None
    assert two.log is not None
    assert one.log.equals(two.log)


def test_files_are_named_by_the_hour(tmp_path: Path) -> None:
    tally = write_world(replace(TINY, start="2026-02-28T22"), tmp_path)
    names = ["2026-02-28T22.parquet", "2026-02-28T23.parquet", "2026-03-01T00.parquet"]
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == names
    assert sorted(path.name for path in (tmp_path / "truth").iterdir()) == names
    log = pl.read_parquet(tmp_path / "log" / "*.parquet")
    assert len(log) == tally.impressions
    assert log["clicked"].sum() == tally.clicks
    assert log["watched"].sum() == pytest.approx(tally.watched)
    assert log["rating"].count() == tally.ratings
    assert log["time"].dt.strftime("%Y-%m-%dT%H").n_unique() == 3


def test_world_json_has_the_options_and_the_true_bias(tmp_path: Path) -> None:
    write_world(TINY, tmp_path)
    about = json.loads((tmp_path / "world.json").read_text())
    assert WorldOptions(**about["options"]) == TINY
    for device in about["devices"]:
        assert device["curve"] == pytest.approx(
            [device["floor"] + (1 - device["floor"]) * k ** -device["decay"] for k in range(1, 7)], abs=1e-6
        )


class Stop(Exception):
    """Somebody interrupts it."""


@pytest.mark.parametrize("after", [1, 2])
def test_goes_on_where_it_was_interrupted(tmp_path: Path, after: int) -> None:
    heard: list[Hour] = []

    def stop(hour: Hour) -> None:
        heard.append(hour)
        if len(heard) == after:
            raise Stop

    with pytest.raises(Stop):
        write_world(TINY, tmp_path / "cut", stop)
    assert not list((tmp_path / "cut").rglob(".*.tmp"))
    (tmp_path / "cut" / "log" / ".2026-01-01T02.parquet.7.tmp").write_bytes(b"half")
    again = write_world(TINY, tmp_path / "cut")
    assert again == write_world(TINY, tmp_path / "whole")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_what_is_there_is_not_written_again_and_more_hours_are_added(tmp_path: Path) -> None:
    write_world(TINY, tmp_path / "grown")
    first = tmp_path / "grown" / "log" / "2026-01-01T00.parquet"
    before = first.stat().st_mtime_ns
    more = replace(TINY, hours=5)
    write_world(more, tmp_path / "grown")
    assert first.stat().st_mtime_ns == before
    write_world(more, tmp_path / "whole")
    assert contents(tmp_path / "grown") == contents(tmp_path / "whole")


def test_a_log_file_that_is_missing_is_written_again(tmp_path: Path) -> None:
    write_world(TINY, tmp_path)
    whole = contents(tmp_path)
    (tmp_path / "log" / "2026-01-01T01.parquet").unlink()
    (tmp_path / "truth" / "2026-01-01T02.parquet").unlink()
    write_world(TINY, tmp_path)
    assert contents(tmp_path) == whole


def test_folders_of_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"notes\.txt.*Choose an empty"):
        write_world(TINY, tmp_path)
    with pytest.raises(ConfigError, match="is a file"):
        write_world(TINY, tmp_path / "notes.txt")
    assert contents(tmp_path) == {"notes.txt": b"mine"}


@pytest.mark.parametrize("content", ["{}", "no JSON", '{"options": {"hours": 3}}', "[]", '{"options": 3}'])
def test_another_world_json_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "world.json").write_text(content)
    with pytest.raises(ConfigError, match="another version"):
        write_world(TINY, tmp_path)


def test_another_world_or_fewer_hours_are_refused(tmp_path: Path) -> None:
    write_world(TINY, tmp_path)
    with pytest.raises(ConfigError, match="other options"):
        write_world(replace(TINY, seed=5), tmp_path)
    with pytest.raises(ConfigError, match="holds 3 hours"):
        write_world(replace(TINY, hours=2), tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        {"users": 0},
        {"users": 10_000_001},
        {"users": 10_000_000, "topics": 100},
        {"videos": 39},
        {"topics": 1},
        {"hours": 0},
        {"requests_per_hour": 0},
        {"requests_per_hour": 10_000_000},
        {"slate": 0},
        {"slate": 257, "videos": 10_000},
        {"user_turnover": 1.1},
        {"video_turnover": -0.1},
        {"drift": float("nan")},
        {"clickbait": -1.0},
        {"noise": float("inf")},
        {"exploration": 2.0},
        {"survey": -1.0},
        {"start": "yesterday"},
        {"start": "2026-01-01T00:30"},
        {"start": "2026-01-01T00:00+01:00"},
        {"start": "0900-01-01"},
    ],
)
def test_options_that_cannot_be_used(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"World option '\w+' is .*\. Use "):
        WorldOptions(**values)  # type: ignore[arg-type]
