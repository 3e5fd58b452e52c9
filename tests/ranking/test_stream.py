"""Training in the order of time: tested, then trained, resumed bit for bit, nothing read twice."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import rank_victim
import torch
from rank_logs import partition, write
from rank_victim import MODEL, PLAN

from sharewise import files
from sharewise.errors import CheckpointError, ConfigError, DataError
from sharewise.nn import ModelOptions
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.fit import StreamResult, fit_stream
from sharewise.ranking.options import BiasOptions, Follow, LogOptions, MeasureOptions, StreamOptions
from sharewise.ranking.plan import RankPlan
from sharewise.train import Progress, Run
from stopping import StopAt, Stopped


def outcome(folder: Path) -> dict[str, str]:
    """Return hashes of all that must not differ."""
    last = sorted((folder / "checkpoint").glob("step-*"))[-1]
    found = {"digest": Run.open(folder).digest, "last": last.name}
    return {**found, **{name: files.sha256_file(last / name) for name in ("state.safetensors", "state.json")}}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    write(folder, 5)
    return folder


@pytest.fixture(scope="module")
def undisturbed(log: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[StreamResult, Path]:
    folder = tmp_path_factory.mktemp("run")
    return fit_stream(log, PLAN, folder=folder), folder


def test_every_partition_is_read_once_and_measured_but_the_first(
    undisturbed: tuple[StreamResult, Path],
) -> None:
    result, _ = undisturbed
    assert [entry.name for entry in result.done] == [f"hour-{i:04}.parquet" for i in range(5)]
    assert [record["partition"] for record in result.history] == [entry.name for entry in result.done]
    assert result.history[0]["measured"] is None
    assert all(record["measured"]["rows"] == 400 for record in result.history[1:])
    assert result.measures["rows"] == 1600
    assert result.rows == 2000
    assert not result.aside


def test_labels_that_nobody_gave_do_not_count(log: Path, undisturbed: tuple[StreamResult, Path]) -> None:
    measured = undisturbed[0].history[1]["measured"]["tasks"]
    frame = pl.read_parquet(log / "hour-0001.parquet")
    assert measured["click"]["rows"] == 400
    assert measured["watch"]["rows"] == measured["like"]["rows"] == frame["clicked"].sum()
    assert measured["rating"]["rows"] == frame["rating"].count()


@pytest.mark.parametrize("step", [0, 1, 3, 4, 5, 9, 15, 19])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(
    step: int, log: Path, undisturbed: tuple[StreamResult, Path], tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        fit_stream(log, PLAN, folder=tmp_path, progress=StopAt(step))
    result = fit_stream(log, PLAN, folder=tmp_path)
    assert outcome(tmp_path) == outcome(undisturbed[1])
    assert result.measures == undisturbed[0].measures


def test_partitions_that_come_later_are_trained_on_later(
    log: Path, undisturbed: tuple[StreamResult, Path], tmp_path: Path
) -> None:
    here = tmp_path / "log"
    here.mkdir()
    for number in range(5):
        shutil.copy(log / f"hour-{number:04}.parquet", here)
        result = fit_stream(here, PLAN, folder=tmp_path / "run")
        assert result.rows == 400
    assert fit_stream(here, PLAN, folder=tmp_path / "run").rows == 0
    assert outcome(tmp_path / "run") == outcome(undisturbed[1])


def test_pieces_of_a_partition_are_stretches_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "log", 2, rows=1000)
    plan = RankPlan(model=MODEL, train=StreamOptions(batch_size=128, piece=300, device="cpu"))
    result = fit_stream(tmp_path / "log", plan)
    assert [record["rows"] for record in result.history] == [1000, 1000]
    assert result.history[0]["measured"]["rows"] == 700
    assert result.history[1]["measured"]["rows"] == 1000


def test_the_future_does_not_leak(log: Path, undisturbed: tuple[StreamResult, Path], tmp_path: Path) -> None:
    for number in range(4):
        shutil.copy(log / f"hour-{number:04}.parquet", tmp_path)
    later = partition(4, seed=99).with_columns(pl.col("user") + 5_000_000, pl.col("views") * 100)
    later.write_parquet(tmp_path / "hour-0004.parquet")
    found = fit_stream(tmp_path, PLAN).history
    assert found[:4] == undisturbed[0].history[:4]
    assert found[4]["measured"] != undisturbed[0].history[4]["measured"]


def test_labels_of_a_partition_do_not_touch_its_predictions(log: Path, tmp_path: Path) -> None:
    """What is measured of a partition with other labels has the same mean prediction."""
    for number in range(3):
        shutil.copy(log / f"hour-{number:04}.parquet", tmp_path)
    first = fit_stream(tmp_path, PLAN).history[2]["measured"]["tasks"]["click"]
    path = tmp_path / "hour-0002.parquet"
    pl.read_parquet(path).with_columns(dismissed=~pl.col("dismissed")).write_parquet(path)
    assert fit_stream(tmp_path, PLAN).history[2]["measured"]["tasks"]["click"] == first


def test_new_ids_are_a_cohort_and_get_rows(undisturbed: tuple[StreamResult, Path]) -> None:
    history = undisturbed[0].history
    sizes = [record["vocabulary"] for record in history]
    assert sizes == sorted(set(sizes))
    cohorts = history[1]["measured"]["cohorts"]
    assert cohorts["new"]["click"]["rows"] > 0
    assert cohorts["new"]["click"]["rows"] + cohorts["known"]["click"]["rows"] == 400


def test_a_vocabulary_past_its_capacity_resumes_bit_for_bit(tmp_path: Path) -> None:
    for number in range(4):
        frame = partition(number).with_columns(pl.int_range(number * 400, number * 400 + 400).alias("user"))
        (tmp_path / "log").mkdir(exist_ok=True)
        frame.write_parquet(tmp_path / f"log/{number}.parquet")
    whole = fit_stream(tmp_path / "log", PLAN, folder=tmp_path / "a")
    with pytest.raises(Stopped):
        fit_stream(tmp_path / "log", PLAN, folder=tmp_path / "b", progress=StopAt(14))
    fit_stream(tmp_path / "log", PLAN, folder=tmp_path / "b")
    assert whole.history[-1]["vocabulary"] > 1024
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b")


def bad_partitions(folder: Path) -> dict[str, str]:
    """Write partitions that cannot be trained on; return a part of the reason for each."""
    good = partition(9)
    whole = (folder / "hour-0001.parquet").read_bytes()
    contents = {"2-half": whole[: len(whole) // 2], "2-text": b"not a table", "2-empty": b""}
    for name, content in contents.items():
        (folder / f"hour-000{name}.parquet").write_bytes(content)
    damaged = bytearray(whole)
    damaged[200:2000] = bytes(1800)
    (folder / "hour-0002-damaged.parquet").write_bytes(damaged)
    frames = {
        "2-lacks": good.drop("clicked"),
        "2-label": good.with_columns(clicked=pl.lit(2)),
        "2-type": good.with_columns(user=pl.lit("x")),
        "2-texts": good.with_columns(views=pl.lit("many")),
        "2-position": good.with_columns(position=pl.lit(0)),
        "2-negative": good.with_columns(watched=pl.lit(-5.0)),
        "2-rating": good.with_columns(rating=pl.lit(float("inf"))),
    }
    for name, frame in frames.items():
        frame.write_parquet(folder / f"hour-000{name}.parquet")
    (folder / "hour-0002-twice.parquet").write_bytes(whole)
    words = {"lacks": "clicked", "label": "click", "type": "user", "texts": "views", "position": "position"}
    words |= {"negative": "watched", "rating": "rating", "twice": "hour-0001", "damaged": ""}
    return {**{name.split("-")[1]: "Parquet" for name in contents}, **words}


def test_bad_partitions_are_set_aside_with_a_reason_and_change_nothing(
    log: Path, undisturbed: tuple[StreamResult, Path], tmp_path: Path
) -> None:
    here = tmp_path / "log"
    shutil.copytree(log, here)
    reasons = bad_partitions(here)
    result = fit_stream(here, PLAN, folder=tmp_path / "run")
    aside = {entry.name.split("-")[2].split(".")[0]: entry.reason for entry in result.aside}
    assert set(aside) == set(reasons)
    for name, word in reasons.items():
        assert word in aside[name], name
    assert result.history == undisturbed[0].history
    lines = (tmp_path / "run/set_aside.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == [entry.name for entry in result.aside]
    again = fit_stream(here, PLAN, folder=tmp_path / "run")
    assert again.rows == 0
    assert again.aside == result.aside


def test_late_and_changed_partitions_are_set_aside(log: Path, tmp_path: Path) -> None:
    here = tmp_path / "log"
    shutil.copytree(log, here)
    fit_stream(here, PLAN, folder=tmp_path / "run")
    partition(77).write_parquet(here / "hour-0002-late.parquet")
    partition(78, rows=100).write_parquet(here / "hour-0003.parquet")
    result = fit_stream(here, PLAN, folder=tmp_path / "run")
    assert result.rows == 0
    assert [(entry.name, entry.reason.split()[-1]) for entry in result.aside] == [
        ("hour-0002-late.parquet", "read."),
        ("hour-0003.parquet", "read."),
    ]
    assert "comes after" in result.aside[0].reason
    assert "changed" in result.aside[1].reason


def test_following_waits_for_what_is_being_written(log: Path, tmp_path: Path) -> None:
    here = tmp_path / "log"
    here.mkdir()
    shutil.copy(log / "hour-0000.parquet", here)
    content = (log / "hour-0001.parquet").read_bytes()
    (here / "hour-0001.parquet").write_bytes(content[:3000])
    shutil.copy(log / "hour-0002.parquet", here)

    class Finish(Progress):
        """Finishes the second partition once the first is trained on."""

        def evaluated(self, record: object) -> None:
            (here / "hour-0001.parquet").write_bytes(content)

    result = fit_stream(
        here, PLAN, follow=Follow(poll=0.01, idle=0.3), progress=Finish(), folder=tmp_path / "run"
    )
    assert [entry.name[5:9] for entry in result.done] == ["0000", "0001", "0002"]
    assert not result.aside


def test_following_gives_up_on_what_stays_broken(log: Path, tmp_path: Path) -> None:
    shutil.copy(log / "hour-0000.parquet", tmp_path)
    (tmp_path / "hour-0001.parquet").write_bytes(b"PAR1 half")
    shutil.copy(log / "hour-0002.parquet", tmp_path)
    result = fit_stream(tmp_path, PLAN, follow=Follow(poll=0.01, idle=0.3, settle=0.1))
    assert [entry.name[5:9] for entry in result.done] == ["0000", "0002"]
    assert [entry.name[5:9] for entry in result.aside] == ["0001"]


def test_a_ranker_is_loaded_as_it_was(log: Path, undisturbed: tuple[StreamResult, Path]) -> None:
    result, folder = undisturbed
    frame = pl.read_parquet(log / "hour-0003.parquet").drop("position", "clicked", "watched", "rating")
    assert result.ranker is not None
    expected = result.ranker.predict(frame)
    assert load_ranker(folder).predict(frame).equals(expected)
    assert expected.columns == ["click", "like", "dismiss", "watch", "rating", "score"]
    assert expected["click"].is_between(0, 1).all()


def test_another_plan_is_refused(log: Path, undisturbed: tuple[StreamResult, Path]) -> None:
    other = RankPlan(model=MODEL, train=StreamOptions(batch_size=64, device="cpu"))
    with pytest.raises(CheckpointError, match="another configuration"):
        fit_stream(log, other, folder=undisturbed[1])


def test_truths_written_as_numbers_are_truths(
    log: Path, undisturbed: tuple[StreamResult, Path], tmp_path: Path
) -> None:
    for path in sorted(log.glob("*.parquet")):
        frame = pl.read_parquet(path).with_columns(pl.col("clicked", "liked", "dismissed").cast(pl.Int8))
        frame.write_parquet(tmp_path / path.name)
    assert fit_stream(tmp_path, PLAN).measures == undisturbed[0].measures


def test_a_log_of_ones_own(log: Path, undisturbed: tuple[StreamResult, Path], tmp_path: Path) -> None:
    names = {"user": "uid", "item": "video", "clicked": "was_clicked", "request": "list"}
    for path in sorted(log.glob("*.parquet")):
        pl.read_parquet(path).rename(names).write_parquet(tmp_path / path.name)
    own = RankPlan(model=MODEL, log=LogOptions(columns=names), train=PLAN.train)
    assert fit_stream(tmp_path, own).measures == undisturbed[0].measures


@pytest.mark.parametrize(
    "plan,words",
    [
        (RankPlan(log=LogOptions(columns={"user": "uidd"})), "uidd"),
        (RankPlan(measure=MeasureOptions(group="reques")), "reques"),
        (RankPlan(log=LogOptions(categorical=("topci",))), "topci"),
        (RankPlan(log=LogOptions(categorical=("clicked",))), "clicked"),
        (RankPlan(log=LogOptions(hashed={"user": 10}, categorical=("user",))), "two kinds"),
    ],
)
def test_a_plan_that_fits_no_partition_is_refused(plan: RankPlan, words: str, log: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        fit_stream(log, plan)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        fit_stream(tmp_path / "lgo", PLAN, folder=tmp_path / "run")
    assert not (tmp_path / "run/checkpoint").exists()


@pytest.mark.parametrize("sharing", ["independent", "shared_bottom", "ple", "cross_stitch"])
def test_any_structure_and_balancer(sharing: str, log: Path) -> None:
    model = ModelOptions(sharing=sharing, hidden=(8,), embedding=4, experts=2)
    plan = RankPlan(model=model, train=PLAN.train, balance={"method": "upgrad"})
    result = fit_stream(log, plan)
    assert len(result.done) == 5
    assert (result.history[-1]["gates"] is not None) == (sharing == "ple")


def test_hashed_columns_and_no_cohort(log: Path) -> None:
    options = LogOptions(hashed={"user": 64, "item": 64}, drop=("query",))
    measure = MeasureOptions(cohort="none", group="none")
    result = fit_stream(log, RankPlan(model=MODEL, log=options, measure=measure, train=PLAN.train))
    assert "cohorts" not in result.measures
    assert not result.measures["lists"]
    assert result.measures["tasks"]["click"]["rows"] == 1600


@pytest.mark.parametrize("kind", ["feature", "none"])
def test_other_ways_with_the_place(kind: str, log: Path, tmp_path: Path) -> None:
    plan = RankPlan(model=MODEL, bias=BiasOptions(kind=kind), train=PLAN.train)
    result = fit_stream(log, plan, folder=tmp_path)
    assert len(result.done) == 5
    frame = pl.read_parquet(log / "hour-0003.parquet")
    assert (
        load_ranker(tmp_path)
        .predict(frame)
        .equals(load_ranker(tmp_path).predict(frame.with_columns(position=pl.lit(7))))
    )


def test_killed_runs_go_on_bit_for_bit(
    log: Path, undisturbed: tuple[StreamResult, Path], tmp_path: Path
) -> None:
    command = [sys.executable, rank_victim.__file__, str(log), str(tmp_path)]
    for wanted in (1, 3):
        process = subprocess.Popen(command)
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            lines = (
                (tmp_path / "log.jsonl").read_bytes().count(b"\n")
                if (tmp_path / "log.jsonl").is_file()
                else 0
            )
            if lines >= wanted:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.001)
        process.wait()
    fit_stream(log, PLAN, folder=tmp_path)
    assert outcome(tmp_path) == outcome(undisturbed[1])


def test_two_processes_train_to_the_same(
    log: Path, undisturbed: tuple[StreamResult, Path], tmp_path: Path
) -> None:
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0", "--standalone"]
    subprocess.run([sys.executable, *torchrun, rank_victim.__file__, str(log), str(tmp_path)], check=True)
    run = Run.open(tmp_path)
    weights = Run.open(undisturbed[1]).weights()
    for name, value in run.weights().items():
        torch.testing.assert_close(value, weights[name], atol=1e-4, rtol=1e-4)
    measures = run.read_json("metrics.json")["measures"]
    assert measures["rows"] == 1600
    expected = undisturbed[0].measures["tasks"]["click"]
    assert measures["tasks"]["click"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("options,method", [({"importance": 0.1}, "equal"), ({}, "upgrad")])
def test_tables_grow_under_penalties_and_balancing(
    options: dict[str, float], method: str, tmp_path: Path
) -> None:
    """What a step leaves of its graph must not meet the larger table of the next partition."""
    for number in range(4):
        frame = partition(number).with_columns(pl.col("user") + number * 1000 + pl.int_range(400))
        (tmp_path / "log").mkdir(exist_ok=True)
        frame.write_parquet(tmp_path / f"log/hour-{number:04}.parquet")
    plan = RankPlan(
        model=replace(MODEL, **options),  # type: ignore[arg-type]
        train=StreamOptions(batch_size=128, device="cpu"),
        balance={"method": method},
    )
    result = fit_stream(tmp_path / "log", plan)
    assert result.history[-1]["vocabulary"] > 1024
    assert result.rows == 1600
