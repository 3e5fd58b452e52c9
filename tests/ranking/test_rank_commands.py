"""`sharewise rank train` and `evaluate`: from a configuration and a log to a ranker and what it is worth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rank_logs import write

from sharewise.cli.main import main
from sharewise.config.load import parse_toml
from sharewise.config.rank_train import load_rank_config
from sharewise.ranking.artifact import load_ranker
from sharewise.train import Run

CONFIG = """
[log]
source = "log"

[model]
experts = 2
hidden = [8]
embedding = 4

[train]
batch_size = 128
device = "cpu"
"""

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run a command in a folder with a log and a configuration; return its code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    write(tmp_path / "log", 3)
    (tmp_path / "rank.toml").write_text(CONFIG)

    def run(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["rank", *argv])
        printed = capsys.readouterr()
        return int(left.value.code or 0), printed.out, printed.err

    return run


def test_training_goes_on_with_what_came_since(command: Command, tmp_path: Path) -> None:
    code, out, err = command("train", "rank.toml", "--out", "run")
    assert code == 0, err
    assert "click" in out
    assert "1,200 rows" in out
    first = Run.open(tmp_path / "run")
    assert {"ranker.json", "encoding.safetensors", "model.safetensors", "metrics.json"} <= set(first.names)
    assert {"log.jsonl", "set_aside.jsonl", "config.toml"} <= set(first.names)
    write(tmp_path / "log", 1, first=3)
    assert command("train", "rank.toml", "--out", "run")[0] == 0
    run = Run.open(tmp_path / "run")
    assert run.read_json("metrics.json")["partitions"] == 4
    assert run.digest != first.digest
    load_ranker(tmp_path / "run")
    before = run.digest
    assert command("train", "run/config.toml", "--out", "run")[0] == 0
    assert Run.open(tmp_path / "run").digest == before


def test_evaluate_prints_what_was_measured(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command("train", "rank.toml", "--out", "run")
    code, out, err = command("evaluate", "run")
    assert code == 0, err
    for word in ("hour-0002", "auc", "ndcg@10", "gauc.click", "placed", "new", "_loss"):
        assert word in out
    monkeypatch.setenv("COLUMNS", "80")
    assert "…" not in command("evaluate", "run")[1]
    (tmp_path / "run/manifest.json").unlink()  # as in a run that goes on
    assert "hour-0002" in command("evaluate", "run")[1]


def test_mistakes_are_one_paragraph(command: Command, tmp_path: Path) -> None:
    assert command("evaluate", "rnu")[0] == 2
    (tmp_path / "rank.toml").write_text(CONFIG.replace("experts", "expertts"))
    code, _, err = command("train", "rank.toml", "--out", "run")
    assert code == 2
    assert "experts" in err
    (tmp_path / "rank.toml").write_text(CONFIG.replace('"log"', '"lgo"'))
    code, _, err = command("train", "rank.toml", "--out", "run")
    assert code == 2
    assert "lgo" in err
    (tmp_path / "empty").mkdir()
    (tmp_path / "rank.toml").write_text(CONFIG.replace('"log"', '"empty"'))
    code, _, err = command("train", "rank.toml", "--out", "run2")
    assert code == 2
    assert "no partition" in err


def test_a_log_whose_partitions_are_all_bad(command: Command, tmp_path: Path) -> None:
    for path in (tmp_path / "log").iterdir():
        path.write_bytes(b"no table")
    code, _, err = command("train", "rank.toml", "--out", "run")
    assert code == 2
    assert "hour-0000" in err
    assert len((tmp_path / "run/set_aside.jsonl").read_text().splitlines()) == 3


def test_truth_front_and_page_of_a_world(command: Command, tmp_path: Path) -> None:
    world = "[world]\nusers = 200\nvideos = 80\nhours = 4\nrequests_per_hour = 150\n"
    (tmp_path / "world.toml").write_text(world)
    (tmp_path / "rank.toml").write_text(CONFIG.replace('"log"', '"world/log"'))
    assert command("simulate", "world.toml", "--out", "world")[0] == 0
    assert command("train", "rank.toml", "--out", "run")[0] == 0
    code, out, err = command("evaluate", "run", "--truth", "world/truth")
    assert code == 0, err
    for word in ("best mixture", "as shown", "satisfaction", "rating", "3 partitions"):
        assert word in out
    code, out, err = command("tune", "run", "--truth", "world/truth", "--draws", "5")
    assert code == 0, err
    assert "Rank correlation" in out
    pasted = parse_toml(out[out.index("[blend]") :], "it")
    assert set(pasted["blend"]["weights"]) <= {"click", "like", "dismiss", "watch", "rating"}
    text = (tmp_path / "rank.toml").read_text() + "\n" + out[out.index("[blend]") :]
    (tmp_path / "tuned.toml").write_text(text)
    assert load_rank_config(tmp_path / "tuned.toml").blend.weights == pasted["blend"]["weights"]
    digest = Run.open(tmp_path / "run").digest
    code, out, err = command(
        "report", "run", "--out", "pages/mine.html", "--draws", "3", "--truth", "world/truth"
    )
    assert code == 0, err
    assert str(tmp_path / "pages/mine.html") in out
    assert (tmp_path / "pages/mine.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "pages/mine.json").is_file()
    assert Run.open(tmp_path / "run").digest == digest


@pytest.mark.parametrize(
    "argv,word",
    [
        (("evaluate", "run", "--truth", "nowhere"), "nowhere"),
        (("tune", "run", "--satisfaction", "lkie"), "click, like"),
        (("tune", "run", "--draws", "0"), "draws"),
        (("tune", "rnu"), "rnu"),
        (("report", "run", "--out", "page.txt"), ".html"),
        (("report", "run", "--out", "run/metrics.html"), "belongs to the run"),
        (("report", "rnu", "--out", "page.html"), "rnu"),
        (("report", "run", "--out", "page.html", "--truth", "nowhere"), "nowhere"),
        (("report", "run"), "out"),
    ],
)
def test_mistakes_about_truth_front_and_page(
    command: Command, tmp_path: Path, argv: tuple[str, ...], word: str
) -> None:
    assert command("train", "rank.toml", "--out", "run")[0] == 0
    before = sorted(path.name for path in tmp_path.rglob("*"))
    code, _, err = command(*argv)
    assert code == 2
    assert word in err
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
