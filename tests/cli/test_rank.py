"""`sharewise rank simulate`: what it leaves, says and refuses."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from cli_support import Command

CONFIG = """
[world]
users = 100
videos = 80
hours = 2
requests_per_hour = 50
start = 2026-03-01
"""


def test_simulates_says_what_came_of_it_and_goes_on(command: Command, tmp_path: Path) -> None:
    (tmp_path / "world.toml").write_text(CONFIG)
    done = command("rank", "simulate", "world.toml", "--out", "world")
    assert done.code == 0, done.err
    log = pl.read_parquet(tmp_path / "world" / "log" / "*.parquet")
    for text in (f"{len(log):,} impressions in 2 hours", "click rate", "watched a click", "satisfaction"):
        assert text in done.out
    assert sorted(path.name for path in (tmp_path / "world").iterdir()) == ["log", "truth", "world.json"]
    again = command("rank", "simulate", "world.toml", "--out", "world")
    assert again.out.splitlines()[1:] == done.out.splitlines()[1:]


@pytest.mark.parametrize(
    "text, hint",
    [
        ("[world]\nuser = 3", "Did you mean 'users'"),
        ("[world]\nusers = 0", "World option 'users' is 0. Use a whole number"),
        ("[world]\nusers = 1.5", "users"),
        ("[world]\nseed = true", "seed"),
        ("[world]\nhours = 'many'", "hours"),
        ("[world]\nstart = 2026-01-01T00:30:00", "World option 'start'"),
        ("[wrold]", "world"),
        ("world = 3", "world"),
        ("[world", "not valid TOML"),
    ],
)
def test_mistakes_in_the_configuration(command: Command, tmp_path: Path, text: str, hint: str) -> None:
    (tmp_path / "world.toml").write_text(text)
    done = command("rank", "simulate", "world.toml", "--out", "world")
    assert done.code == 2
    assert hint in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "world").exists()


def test_mistakes_in_the_call(command: Command, tmp_path: Path) -> None:
    assert command("rank", "simulate", "nowhere.toml", "--out", "world").code == 2
    assert command("rank", "simulate").code == 2
    (tmp_path / "mine.txt").write_text("x")
    done = command("rank", "simulate", "--out", ".")
    assert done.code == 2
    assert "'mine.txt'" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_help_names_the_command(command: Command) -> None:
    assert "simulate" in command("rank", "--help").out
