"""Every example runs, and so does every Python block of the README and of the documentation."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if path.name != "common.py")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)\)")


#: Starts servers and processes of its own.
ALONE = "online"


@pytest.mark.parametrize("path", [one for one in EXAMPLES if one.stem != ALONE], ids=lambda one: one.stem)
def test_example(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.setattr(sys, "argv", [str(path)])
    theirs = sys.modules.pop("common", None)  # the benchmarks have one too
    try:
        runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.modules.pop("common", None)
        if theirs is not None:
            sys.modules["common"] = theirs
    check_example(path, capsys.readouterr().out, tmp_path)


def test_example_with_servers(tmp_path: Path) -> None:
    path = ROOT / "examples" / f"{ALONE}.py"
    done = subprocess.run(
        [sys.executable, path],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    check_example(path, done.stdout, tmp_path)


def check_example(path: Path, printed: str, folder: Path) -> None:
    """It says something, says what it is, and leaves nothing."""
    assert printed.strip()
    assert path.read_text(encoding="utf-8").startswith('"""')
    assert not list(folder.iterdir())


def flights(rows: int = 300) -> pl.DataFrame:
    """A table with the columns that the pages speak of."""
    number = pl.int_range(rows, eager=True)
    return pl.DataFrame(
        {
            "arr_delay": (number * 37 % 91 - 30).cast(pl.Float64),
            "origin": (number % 3).cast(pl.String),
            "dest": (number % 7).cast(pl.String),
            "carrier": (number % 5).cast(pl.String),
            "distance": (number * 13 % 977).cast(pl.Float64),
            "hour": number % 24,
        }
    )


def shown(rows: int = 40) -> pl.DataFrame:
    """A platform's own table of impressions, as the page on ranking renames it."""
    number = pl.int_range(rows, eager=True)
    return pl.DataFrame(
        {
            "shown_at": (1_767_225_600_000_000 + number * 60_000_000).cast(pl.Datetime("us")),
            "list_id": (number // 4).cast(pl.String),
            "member": number % 7,
            "now_playing": number % 5,
            "video": number % 11,
            "slot": number % 4,
            "platform": pl.Series(["web", "tv"] * rows)[:rows],
            "play_seconds": pl.Series([None, 30, 4] * rows, dtype=pl.Int64)[:rows],
            "thumb": pl.Series(["up", None] * rows)[:rows],
            "hidden": number % 9 == 0,
            "video_age_days": number * 0.5,
        }
    )


def ranking_runs(folder: Path) -> pl.DataFrame:
    """Leave a ranker's and candidates' runs where the page on ranking looks for them; return requests."""
    from sharewise.ranking.candidates import fit_candidates
    from sharewise.ranking.fit import fit_stream
    from sharewise.ranking.options import LogOptions
    from sharewise.ranking.plan import RankPlan
    from sharewise.ranking.world import WorldOptions, write_world

    world = WorldOptions(users=200, videos=100, hours=2, requests_per_hour=100)
    write_world(world, folder / "small")
    log = folder / "small" / "log"
    known = pl.read_parquet_schema(next(log.iterdir()))
    beside = tuple(n for n in known if n.startswith(("user_", "item_", "query_", "hour_")) or n == "source")
    fit_stream(log, RankPlan(log=LogOptions(drop=beside)), folder=folder / "runs/ranker")
    fit_candidates(log, folder=folder / "runs/candidates")
    return pl.DataFrame({"user": [17, 18], "query": [1001, None], "device": ["phone", "tv"]})


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_python_of_the_pages(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"flights": flights(), "shown": shown(), "__name__": "page"}
    if page.stem == "ranking":
        names["requests"] = ranking_runs(tmp_path)
    for block in PYTHON.findall(page.read_text(encoding="utf-8")):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert "://" in target or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_configurations_of_the_pages_are_valid(page: Path) -> None:
    from sharewise.config import parse_config
    from sharewise.config.candidates import parse_candidates_config
    from sharewise.config.experiment import parse_experiment
    from sharewise.config.meta_load import parse_meta_config
    from sharewise.config.rank_train import parse_rank_config
    from sharewise.config.world import parse_world_config

    readers = {
        "[[arms]]": parse_experiment,
        "[candidates]": parse_candidates_config,
        "[learner]": parse_meta_config,
        "[log]": parse_rank_config,
        "[world]": parse_world_config,
    }
    for block in TOML.findall(page.read_text(encoding="utf-8")):
        read = next((reader for table, reader in readers.items() if table in block), parse_config)
        read(block, source=page.name)


def test_configurations_of_the_examples_are_valid() -> None:
    from sharewise.config.rank_train import load_rank_config

    config = load_rank_config(ROOT / "examples" / "ranking.toml")
    assert Path(config.log.source) == ROOT / "examples" / "../runs/ranking/world/log"


def test_configurations_of_the_flights_find_their_columns() -> None:
    from sharewise.config import parse_config, prepare

    blocks = [block for page in PAGES for block in TOML.findall(page.read_text(encoding="utf-8"))]
    blocks = [block for block in blocks if "[learner]" not in block]
    configs = [parse_config(block) for block in blocks if 'source = "flights"' in re.sub(" +", " ", block)]
    assert len(configs) >= 2
    for config in configs:
        table = prepare(config).table
        assert len(table.train) > len(table.test)
