"""A run over a log: only the past is known, it goes on bit for bit, and what it leaves proposes the same."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from candidate_kit import PLAN, log_partition, write_log

from sharewise import files
from sharewise.errors import CheckpointError, ConfigError, DataError
from sharewise.ranking.candidates import (
    CandidatePlan,
    Candidates,
    CandidatesResult,
    ListOptions,
    Retriever,
    fit_candidates,
    load_candidates,
)
from sharewise.ranking.candidates.options import SOURCES
from sharewise.ranking.options import Follow, LogOptions
from sharewise.train import Run
from stopping import StopAt, Stopped


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log"), 5)


@pytest.fixture(scope="module")
def undisturbed(log: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[CandidatesResult, Path]:
    folder = tmp_path_factory.mktemp("run")
    return fit_candidates(log, PLAN, folder=folder), folder


def options(**values: object) -> CandidatePlan:
    return replace(PLAN, candidates=replace(PLAN.candidates, **values))


def retrieved(result: CandidatesResult) -> Retriever:
    assert result.retriever is not None
    return result.retriever


def same(first: Candidates, second: Candidates) -> bool:
    return first.frame().equals(second.frame())


def ask(retriever: Retriever, count: int | None = None) -> Candidates:
    return retriever.propose([*range(20), 999, None], [*range(15), *[None] * 6, 7], count)


def outcome(folder: Path) -> dict[str, str]:
    last = sorted((folder / "checkpoint").glob("step-*"))[-1]
    found = {"digest": Run.open(folder).digest, "last": last.name}
    return {**found, **{name: files.sha256_file(last / name) for name in ("state.safetensors", "state.json")}}


def test_every_partition_is_measured_but_the_first(undisturbed: tuple[CandidatesResult, Path]) -> None:
    result, folder = undisturbed
    assert [record["partition"] for record in result.history] == [f"hour-{i:02}.parquet" for i in range(5)]
    assert result.history[0]["recall"] is None
    assert all(record["recall"]["requests"] > 20 for record in result.history[1:])
    assert result.recall["requests"] == sum(r["recall"]["requests"] for r in result.history[1:])
    assert result.rows == 1500
    assert not result.aside
    assert Run.open(folder).read_json("metrics.json")["recall"] == result.recall


def test_recall_is_the_share_of_clicked_items_in_the_lists(log: Path, tmp_path: Path) -> None:
    for number in range(3):
        shutil.copy(log / f"hour-{number:02}.parquet", tmp_path)
    before = retrieved(fit_candidates(tmp_path, PLAN))
    measured = log_partition(3)
    (tmp_path / "hour-03.parquet").write_bytes((log / "hour-03.parquet").read_bytes())
    found = fit_candidates(tmp_path, PLAN).history[3]["recall"]
    clicked = measured.filter("clicked")
    shares = []
    for _, rows in clicked.group_by("request", maintain_order=True):
        user, query, time = rows.row(0, named=True)["user"], rows["query"][0], rows["time"][0]
        asked = before.requests([user], [query])
        seen = clicked.filter((pl.col("user") == user) & (pl.col("time") < time))["item"].reverse()
        past = [*before.proposer.catalogue.ids.find(seen), *asked.past[0]][: before.proposer.width]
        live = replace(asked, past=np.array([past]))
        listed = before.proposer.catalogue.ids.values(before.proposer.propose(live).items[0]).to_list()
        wanted = set(rows["item"])
        shares.append(len(wanted & set(listed)) / len(wanted))
    assert found["requests"] == len(shares)
    assert found["merged"]["@12"] == pytest.approx(np.mean(shares))
    assert 0.2 < np.mean(shares) < 1


def test_what_was_learnt_finds_more_than_chance(undisturbed: tuple[CandidatesResult, Path]) -> None:
    recall = undisturbed[0].recall
    for source in ("co_watched", "topics", "two_tower"):
        assert recall[source]["@10"] > 1.3 * 10 / 50, source  # of about 50 items
    assert recall["merged"]["@12"] >= recall["merged"]["@10"] >= recall["merged"]["@5"]


@pytest.mark.parametrize("step", [0, 1, 3, 4])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(
    step: int, log: Path, undisturbed: tuple[CandidatesResult, Path], tmp_path: Path
) -> None:
    plan = options(checkpoint_every=0)
    fit_candidates(log, plan, folder=tmp_path / "whole")
    with pytest.raises(Stopped):
        fit_candidates(log, plan, folder=tmp_path / "stopped", progress=StopAt(step))
    result = fit_candidates(log, plan, folder=tmp_path / "stopped")
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "whole")
    assert result.recall == undisturbed[0].recall


def test_partitions_that_come_later_are_learnt_later(
    log: Path, undisturbed: tuple[CandidatesResult, Path], tmp_path: Path
) -> None:
    here = tmp_path / "log"
    here.mkdir()
    for number in range(5):
        shutil.copy(log / f"hour-{number:02}.parquet", here)
        assert fit_candidates(here, PLAN, folder=tmp_path / "run").rows == 300
    assert fit_candidates(here, PLAN, folder=tmp_path / "run").rows == 0
    assert outcome(tmp_path / "run") == outcome(undisturbed[1])


def test_what_is_loaded_proposes_the_same(undisturbed: tuple[CandidatesResult, Path]) -> None:
    result, folder = undisturbed
    loaded = load_candidates(folder)
    assert same(ask(loaded), ask(retrieved(result)))
    first, second = loaded.proposer.tensors(), retrieved(result).proposer.tensors()
    assert all(value.equal(second[name]) for name, value in first.items())


def test_nothing_of_the_future_changes_a_proposal(log: Path, tmp_path: Path) -> None:
    """The first four partitions give the same figures and lists whatever the fifth holds."""
    for number in range(4):
        shutil.copy(log / f"hour-{number:02}.parquet", tmp_path)
    lists = ask(retrieved(fit_candidates(tmp_path, PLAN)))
    later = log_partition(4, seed=9).with_columns(pl.col("item") + 1000, kind=pl.lit("other"))
    later.write_parquet(tmp_path / "hour-04.parquet")
    other, usual = fit_candidates(tmp_path, PLAN).history, fit_candidates(log, PLAN).history
    assert other[:4] == usual[:4]
    assert other[4]["recall"]["new"] == 1.0
    assert other[4]["recall"]["merged"]["@12"] == 0.0
    (tmp_path / "hour-04.parquet").unlink()
    assert same(ask(retrieved(fit_candidates(tmp_path, PLAN))), lists)


def test_feedback_of_a_partition_does_not_touch_what_is_proposed_in_it(log: Path, tmp_path: Path) -> None:
    """Of rows that come later in a partition, earlier requests know nothing."""
    for number in range(2):
        shutil.copy(log / f"hour-{number:02}.parquet", tmp_path)
    frame = log_partition(2)
    half = len(frame) // 2
    first = frame.with_columns(clicked=pl.col("clicked") & (pl.int_range(pl.len()) < half))
    first.write_parquet(tmp_path / "hour-02.parquet")
    expected = fit_candidates(tmp_path, PLAN).history[2]["recall"]
    # The later half's users are strangers: they add requests, and what the others got stays.
    late = frame.with_columns(
        pl.when(pl.int_range(pl.len()) < half).then("user").otherwise(5000).alias("user"),
        pl.when(pl.int_range(pl.len()) < half).then("item").otherwise(7000).alias("item"),
    )
    late.write_parquet(tmp_path / "hour-02.parquet")
    found = fit_candidates(tmp_path, PLAN).history[2]["recall"]
    share = expected["requests"] / found["requests"]
    assert share < 0.8
    for name in (*SOURCES, "merged"):
        assert found[name]["@10"] == pytest.approx(expected[name]["@10"] * share)


def test_lists_are_as_long_as_asked_without_the_query(undisturbed: tuple[CandidatesResult, Path]) -> None:
    retriever = retrieved(undisturbed[0])
    found = ask(retriever)
    frame = found.frame()
    assert found.sources == SOURCES
    assert frame.group_by("request", maintain_order=True).len()["len"].to_list() == [12] * 22
    assert not frame.select(pl.struct("request", "item").is_duplicated().any()).item()
    queries = pl.DataFrame({"request": range(15), "item": range(15)})
    assert not len(frame.join(queries, on=["request", "item"], how="inner"))
    assert frame["sources"].list.len().min() >= 1
    longer = retriever.propose([3], [4], 10_000)
    assert 40 < len(longer) < len(retriever.proposer.catalogue)
    assert len(retriever.propose([], [])) == 0


def test_what_was_watched_is_not_repeated_if_not_wanted(log: Path) -> None:
    retriever = retrieved(fit_candidates(log, options(repeat=False, history=60)))
    found = retriever.propose(range(30), None, 10_000).frame()
    clicked = pl.read_parquet(log / "*.parquet").filter("clicked")
    seen = clicked.select(pl.col("user").cast(pl.Int64).alias("request"), "item")
    assert not len(found.join(seen, on=["request", "item"], how="inner"))
    again = retrieved(fit_candidates(log, PLAN)).propose(range(30), None, 10_000).frame()
    assert len(again.join(seen, on=["request", "item"], how="inner"))


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_alone(source: str, log: Path) -> None:
    result = fit_candidates(log, options(sources={source: 1.0}))
    found = ask(retrieved(result))
    assert found.sources == (source,)
    assert (found.bits == 1).all()
    assert result.recall["merged"]["@10"] == result.recall[source]["@10"]


OWN = {
    **{"time": "shown_at", "user": "member", "item": "video", "query": "now_playing", "request": "list_id"},
    "clicked": "played",
}


def test_names_and_ids_of_ones_own(
    log: Path, undisturbed: tuple[CandidatesResult, Path], tmp_path: Path
) -> None:
    """A log of other names, with texts for ids and relevance by an expression, gives the same figures."""
    for path in sorted(log.iterdir()):
        frame = pl.read_parquet(path)
        ids = frame.with_columns(
            ("u" + pl.col("user").cast(pl.String)).alias("user"),
            ("v" + pl.col("item").cast(pl.String)).alias("item"),
            ("v" + pl.col("query").cast(pl.String)).alias("query"),
        )
        ids.rename(OWN).drop("position", "device").write_parquet(tmp_path / path.name)
    plan = replace(options(relevant="clicked AND watched > 0"), log=LogOptions(columns=OWN))
    result = fit_candidates(tmp_path, plan)
    assert not result.aside
    assert result.recall == undisturbed[0].recall
    found = retrieved(result).propose(["u1", None], ["v3", "nothing"]).frame()
    usual = retrieved(undisturbed[0]).propose([1, None], [3, None]).frame()
    assert found["item"].to_list() == [f"v{item}" for item in usual["item"]]
    with pytest.raises(DataError, match="not texts"):
        retrieved(result).propose([1])


def test_what_cannot_be_read_is_set_aside(log: Path, tmp_path: Path) -> None:
    good = log_partition(0)
    good.write_parquet(tmp_path / "hour-00.parquet")
    bad = {
        "hour-01.parquet": (good.with_columns(pl.lit(None, pl.Datetime("us")).alias("time")), "lacks values"),
        "hour-02.parquet": (good.with_columns(pl.lit("x").alias("item")), "not whole numbers"),
        "hour-03.parquet": (good.with_columns(pl.lit(1.5).alias("user")), "not whole numbers"),
        "hour-04.parquet": (good.drop("clicked"), "no column 'clicked'"),
        "hour-05.parquet": (good.with_columns(pl.lit("now").alias("time")), "holds String"),
        "hour-06.parquet": (good.with_columns(clicked=pl.lit(7)), "other numbers than 0 and 1"),
        "hour-07.parquet": (good.with_columns(pl.lit(None, pl.Int64).alias("item")), "lacks values"),
        "hour-11.parquet": (good.with_columns(pl.lit(None, pl.Int64).alias("request")), "lacks values"),
        "hour-08.parquet": (good, "was read as 'hour-00.parquet'"),
    }
    for name, (frame, _) in bad.items():
        frame.write_parquet(tmp_path / name)
    (tmp_path / "hour-09.parquet").write_bytes((tmp_path / "hour-00.parquet").read_bytes()[:-9])
    log_partition(10).write_parquet(tmp_path / "hour-10.parquet")
    result = fit_candidates(tmp_path, PLAN, folder=tmp_path / "run")
    reasons = {entry.name: entry.reason for entry in result.aside}
    assert reasons.keys() == {*bad, "hour-09.parquet"}
    for name, (_, words) in bad.items():
        assert words in reasons[name], name
    assert "no whole Parquet file" in reasons["hour-09.parquet"]
    lines = (tmp_path / "run/set_aside.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == sorted(reasons)
    both = tmp_path / "both"
    both.mkdir()
    for name in ("hour-00.parquet", "hour-10.parquet"):
        shutil.copy(tmp_path / name, both)
    assert result.recall == fit_candidates(both, PLAN).recall


def test_partitions_without_rows_or_without_clicks(log: Path, tmp_path: Path) -> None:
    empty, still = log_partition(0).clear(), log_partition(1).with_columns(clicked=False)
    for place, frame in enumerate([empty, still, log_partition(2), empty, still, log_partition(3)]):
        frame.with_columns(pl.col("request") + 100_000 * place).write_parquet(tmp_path / f"{place}.parquet")
    result = fit_candidates(tmp_path, PLAN, folder=tmp_path / "run")
    assert [record["rows"] for record in result.history] == [0, 300, 300, 300, 300]  # one is read once
    assert result.history[1]["recall"]["requests"] == 0
    assert result.history[4]["recall"]["merged"]["@12"] > 0
    assert len(load_candidates(tmp_path / "run").propose([1], [2])) == 12


@pytest.mark.parametrize(
    "plan, words",
    [
        (options(relevant="clicket"), "Did you mean 'clicked'"),
        (options(remember_item=("lenght",)), "Did you mean 'length'"),
        (replace(PLAN, log=LogOptions(columns={"user": "usr"})), "'usr', which is to be its 'user'"),
    ],
)
def test_plans_that_do_not_fit_the_log(plan: CandidatePlan, words: str, log: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        fit_candidates(log, plan, folder=tmp_path)
    assert not (tmp_path / "manifest.json").exists()


def test_what_is_relevant_may_not_look_at_other_rows(log: Path) -> None:
    result = fit_candidates(log, options(relevant="time = MAX(time)"))
    assert result.proposer is None
    assert all("looks at other rows" in entry.reason for entry in result.aside)


def test_candidates_that_are_not_there_or_damaged(
    undisturbed: tuple[CandidatesResult, Path], tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="no finished run"):
        load_candidates(tmp_path)
    Run.create(tmp_path).write("x.json", "{}")
    run = Run.create(tmp_path)
    run.write("x.json", "{}")
    run.seal()
    with pytest.raises(CheckpointError, match="holds no candidates"):
        load_candidates(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(undisturbed[1], copy)
    content = bytearray((copy / "candidates.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "candidates.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_candidates(copy)
    with pytest.raises(CheckpointError, match="another configuration"):
        fit_candidates(tmp_path, options(count=3), folder=undisturbed[1])


def test_options_that_cannot_be_used() -> None:
    for values in (
        {"count": 0},
        {"recent": 60},
        {"sources": {"nobody": 1.0}},
        {"sources": {"fresh": 0.0}},
        {"recall_at": ()},
        {"recall_at": (0,)},
    ):
        with pytest.raises(ConfigError):
            ListOptions(**values)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no columns"):
        CandidatePlan(candidates=ListOptions(sources={"topics": 1.0}))
    with pytest.raises(ConfigError, match="window"):
        CandidatePlan(candidates=ListOptions(recent=2))
    assert "topics" not in CandidatePlan().sources
    assert CandidatePlan.from_dict(json.loads(json.dumps(PLAN.to_dict()))) == PLAN


def test_following_learns_what_comes_and_leaves_it_to_be_loaded(log: Path, tmp_path: Path) -> None:
    here, folder = tmp_path / "log", tmp_path / "run"
    here.mkdir()
    parts = sorted(log.iterdir())
    shutil.copy(parts[0], here)
    (here / parts[1].name).write_bytes(parts[1].read_bytes()[:3000])  # is being written
    shutil.copy(parts[2], here)
    loaded: list[int] = []

    def load() -> None:
        """Ask for what is left, and finish the second partition once that of the first is."""
        while not (loaded or ended.wait(0.02)):
            with contextlib.suppress(CheckpointError, OSError):  # it is being written
                loaded.append(load_candidates(folder).proposer.stretches)
        (here / parts[1].name).write_bytes(parts[1].read_bytes())

    ended = threading.Event()
    asking = threading.Thread(target=load)
    asking.start()
    try:
        result = fit_candidates(here, PLAN, folder=folder, follow=Follow(poll=0.05, idle=3.0))
    finally:
        ended.set()
        asking.join()
    assert [entry.name for entry in result.done] == [part.name for part in parts[:3]]
    assert not result.aside
    assert loaded == [1]  # before the others were there
    at_once = fit_candidates(here, PLAN)
    assert same(ask(retrieved(result)), ask(retrieved(at_once)))


def test_following_gives_up_on_what_stays_broken(log: Path, tmp_path: Path) -> None:
    parts = sorted(log.iterdir())
    shutil.copy(parts[0], tmp_path)
    (tmp_path / parts[1].name).write_bytes(b"PAR1 half")
    shutil.copy(parts[2], tmp_path)
    result = fit_candidates(tmp_path, PLAN, follow=Follow(poll=0.01, idle=0.3, settle=0.1))
    assert [entry.name for entry in result.done] == [parts[0].name, parts[2].name]
    assert [entry.name for entry in result.aside] == [parts[1].name]
