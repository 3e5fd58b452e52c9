"""From a log to a ranked list: candidates, features, predictions, score, in Python and by commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from candidate_kit import write_log

from sharewise.cli.main import main
from sharewise.errors import DataError
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.candidates import load_candidates
from sharewise.ranking.recommend import recommend
from sharewise.train import Run

CANDIDATES = """
[log]
source = "log"

[candidates]
count = 15
recall_at = [5, 10]
remember_item = ["kind", "length"]

[topics]
columns = ["kind"]

[two_tower]
size = 8
hidden = [16]
"""
RANKER = """
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
REQUESTS = pl.DataFrame({"user": [1, 2, None], "query": [5, None, 7], "device": ["tv", "phone", None]})
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run a command in a folder with a log and configurations; return its code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    write_log(tmp_path / "log", 3)
    (tmp_path / "candidates.toml").write_text(CANDIDATES)
    (tmp_path / "rank.toml").write_text(RANKER)
    REQUESTS.write_csv(tmp_path / "requests.csv")

    def run(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["rank", *argv])
        printed = capsys.readouterr()
        return int(left.value.code or 0), printed.out, printed.err

    return run


def test_candidates_go_on_with_what_came_since(command: Command, tmp_path: Path) -> None:
    code, out, err = command("candidates", "candidates.toml", "--out", "found")
    assert code == 0, err
    for word in ("co_watched", "two_tower", "merged", "@10", "@15", "900 rows", "requests;"):
        assert word in out
    first = Run.open(tmp_path / "found")
    names = {"candidates.json", "candidates.safetensors", "metrics.json", "config.toml", "log.jsonl"}
    assert names <= set(first.names)
    write_log(tmp_path / "log", 1, first=3)
    assert command("candidates", "candidates.toml", "--out", "found")[0] == 0
    run = Run.open(tmp_path / "found")
    assert run.read_json("metrics.json")["partitions"] == 4
    assert command("candidates", "found/config.toml", "--out", "found")[0] == 0
    assert Run.open(tmp_path / "found").digest == run.digest != first.digest
    with pytest.raises(SystemExit) as left:
        main(["report", "found"])
    assert not left.value.code


def test_a_ranked_list_from_the_command_line(command: Command, tmp_path: Path) -> None:
    command("candidates", "candidates.toml", "--out", "found")
    command("train", "rank.toml", "--out", "ranker")
    code, out, err = command(
        "recommend", "ranker", "found", "requests.csv", "--out", "top.csv", "--count", "4"
    )
    assert code == 0, err
    assert "12 recommendations for 3 requests" in out
    written = pl.read_csv(tmp_path / "top.csv")
    ranker, retriever = load_ranker(tmp_path / "ranker"), load_candidates(tmp_path / "found")
    found = recommend(ranker, retriever, REQUESTS, 4)
    assert written["item"].to_list() == found["item"].to_list()
    assert written["sources"].to_list() == ["+".join(names) for names in found["sources"].to_list()]
    assert command("recommend", "ranker", "found", "requests.csv", "--out", "found/log.jsonl")[0] == 2
    code, _, err = command("recommend", "ranker", "log", "requests.csv", "--out", "top.csv")
    assert code == 2
    assert "no finished run" in err


def test_the_list_is_the_best_of_what_the_ranker_says_of_candidates(command: Command, tmp_path: Path) -> None:
    command("candidates", "candidates.toml", "--out", "found")
    command("train", "rank.toml", "--out", "ranker")
    ranker, retriever = load_ranker(tmp_path / "ranker"), load_candidates(tmp_path / "found")
    found = recommend(ranker, retriever, REQUESTS, 4)
    assert found["rank"].to_list() == [1, 2, 3, 4] * 3
    assert {"click", "like", "dismiss", "watch", "rating"} < set(found.columns)
    proposed = retriever.propose(REQUESTS["user"], REQUESTS["query"]).frame()
    for number, request in enumerate(REQUESTS.iter_rows(named=True)):
        items = proposed.filter(pl.col("request") == number)["item"]
        features = pl.DataFrame(
            {"item": items, "length": 60.0 + items, **request}, strict=False
        ).with_columns(
            kind=pl.Series(np.array(["a", "b", "c", "d"])[items.to_numpy() % 4]),
            user=pl.lit(request["user"], pl.Int64),
            query=pl.lit(request["query"], pl.Int64),
            device=pl.lit(request["device"], pl.String),
        )
        predicted = ranker.predict(features).with_columns(item=items)
        best = predicted.sort("score", descending=True, maintain_order=True).head(4)
        own = found.filter(pl.col("request") == number)
        assert own["item"].to_list() == best["item"].to_list()
        np.testing.assert_allclose(own["score"], best["score"], rtol=1e-5)
        np.testing.assert_allclose(own["click"], best["click"], rtol=1e-5)


def test_a_feature_that_nobody_says(command: Command, tmp_path: Path) -> None:
    (tmp_path / "candidates.toml").write_text(CANDIDATES.replace(', "length"', ""))
    command("candidates", "candidates.toml", "--out", "found")
    command("train", "rank.toml", "--out", "ranker")
    ranker, retriever = load_ranker(tmp_path / "ranker"), load_candidates(tmp_path / "found")
    with pytest.raises(DataError, match="reads 'length'"):
        recommend(ranker, retriever, REQUESTS)
    assert len(recommend(ranker, retriever, REQUESTS.with_columns(length=pl.lit(70.0)), 5)) == 15
    with pytest.raises(DataError, match="no column 'user'"):
        recommend(ranker, retriever, REQUESTS.drop("user"))
    code, _, err = command("recommend", "ranker", "found", "requests.csv", "--out", "top.csv")
    assert code == 2
    assert "'length'" in err
    assert not (tmp_path / "top.csv").exists()


OWN = {"time": "shown_at", "user": "member", "item": "video", "query": "playing", "clicked": "played"}


def test_a_log_of_ones_own_by_toml_alone(command: Command, tmp_path: Path) -> None:
    """Other names: nothing but the configuration changes."""
    command("candidates", "candidates.toml", "--out", "found")
    command("train", "rank.toml", "--out", "ranker")
    for path in (tmp_path / "log").iterdir():
        pl.read_parquet(path).rename(OWN).write_parquet(path)
    columns = ", ".join(f"{name} = '{own}'" for name, own in OWN.items())
    for name, text in (("candidates", CANDIDATES), ("rank", RANKER)):
        own = text.replace('source = "log"', f'source = "log"\ncolumns = {{ {columns} }}')
        (tmp_path / f"{name}.toml").write_text(own)
    assert command("candidates", "candidates.toml", "--out", "found2")[0] == 0
    assert command("train", "rank.toml", "--out", "ranker2")[0] == 0
    first, second = (Run.open(tmp_path / name).read_json("metrics.json") for name in ("found", "found2"))
    assert first == second
    REQUESTS.rename({"user": "member", "query": "playing"}).write_csv("own.csv")
    command("recommend", "ranker", "found", "requests.csv", "--out", "first.csv")
    code, _, err = command("recommend", "ranker2", "found2", "own.csv", "--out", "second.csv")
    assert code == 0, err
    assert (tmp_path / "first.csv").read_text() == (tmp_path / "second.csv").read_text()


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("count", "cuont", "Did you mean 'count'"),
        ("count = 15", "count = 0", "whole number from 1 on"),
        ("count = 15", "sources = { fersh = 1 }", "Did you mean 'fresh'"),
        ("count = 15", 'count = "many"', "whole number"),
        ("[two_tower]", "[tow_tower]", "Did you mean 'two_tower'"),
        ('columns = ["kind"]', 'columns = ["knid"]', "Did you mean 'kind'"),
        ("hidden = [16]", "hidden = [0]", "whole numbers from 1 on"),
        ("size = 8", 'index = "fiass"', "Did you mean 'faiss'"),
        ("size = 8", "temperature = 0.0", "positive number"),
        ("size = 8", "drop = 1.0", "share"),
        ('source = "log"', 'source = "lgo"', "no folder"),
        ('source = "log"', "", "source"),
        ('source = "log"', 'source = "log"\ncolumns = { item = "itme" }', "itme"),
        ('source = "log"', 'source = "log"\ncolumns = { itm = "item" }', "Did you mean 'item'"),
        ("count = 15", 'relevant = "clicked AND"', "relevant"),
        ("count = 15", "sources = { topics = 1 }\nrecent = 60", "at most history"),
        ("count = 15", "recent = 3", "window"),
        ("[candidates]", "[candidates", "TOML"),
    ],
)
def test_mistakes_are_one_paragraph(old: str, new: str, words: str, command: Command, tmp_path: Path) -> None:
    (tmp_path / "candidates.toml").write_text(CANDIDATES.replace(old, new, 1))
    code, _, err = command("candidates", "candidates.toml", "--out", "found")
    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert not (tmp_path / "found/manifest.json").exists()
    assert not (tmp_path / "found/config.toml").exists()


def test_one_process_alone_learns(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, err = command("candidates", "candidates.toml", "--out", "found")
    assert code == 2
    assert "without torchrun" in err
    assert not (tmp_path / "found").exists()


def test_a_log_whose_partitions_are_all_bad(command: Command, tmp_path: Path) -> None:
    for path in (tmp_path / "log").iterdir():
        path.write_bytes(b"no table")
    code, _, err = command("candidates", "candidates.toml", "--out", "found")
    assert code == 2
    assert "hour-00" in err
    assert len((tmp_path / "found/set_aside.jsonl").read_text().splitlines()) == 3
