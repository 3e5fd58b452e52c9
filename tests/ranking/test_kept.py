"""What a run keeps of its predictions: the last partitions', made before they were trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rank_logs import write
from rank_victim import PLAN
from truth_kit import Ranked

from sharewise.errors import CheckpointError, ConfigError, SharewiseError
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.evidence import kept_of
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.kept import Kept, read_kept
from sharewise.ranking.options import MeasureOptions
from sharewise.tasks.tally import BinaryTally, NumberTally
from sharewise.train import Run
from stopping import StopAt, Stopped

KEEPING = replace(PLAN, measure=MeasureOptions(keep=2))


def test_the_last_partitions_are_kept_row_by_row(ranked: Ranked) -> None:
    kept = kept_of(ranked.run)
    log = sorted((ranked.world / "log").iterdir())
    assert [one.partition for one in kept] == [path.name for path in log[-4:]]
    for one, path in zip(kept, log[-4:], strict=True):
        rows = pl.read_parquet(path)
        assert one.frame.equals(rows.select(one.frame.columns))
        assert {"request", "item", "position", "device"} <= set(one.frame.columns)
        np.testing.assert_array_equal(one.labels["click"], rows["clicked"].cast(pl.Float64))
        assert np.isnan(one.labels["watch"]).sum() == (~rows["clicked"]).sum()


def test_measures_of_what_is_kept_are_those_of_the_log(ranked: Ranked) -> None:
    """The predictions are those that were measured: made before the training, with the place missing."""
    history = {
        record["partition"]: record["measured"]["tasks"] for record in Run.open(ranked.run).history()[1:]
    }
    for one in kept_of(ranked.run):
        for task, kind in (("click", BinaryTally), ("dismiss", BinaryTally), ("watch", NumberTally)):
            seen = ~np.isnan(one.labels[task])
            found = kind.of(one.predicted[task][seen], one.labels[task][seen]).values()
            stored = {name: found[name] for name in history[one.partition][task]}
            assert stored == pytest.approx(history[one.partition][task], rel=1e-5)


def test_the_ranker_of_now_would_flatter(ranked: Ranked) -> None:
    ranker, last = load_ranker(ranked.run), kept_of(ranked.run)[-1]
    now = ranker.predict(pl.read_parquet(ranked.world / "log" / last.partition))["click"].to_numpy()
    errors = [np.square(p - last.labels["click"]).mean() for p in (now, last.predicted["click"])]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("step", [0, 5, 9, 14])
def test_a_stopped_run_keeps_the_same_bytes(step: int, tmp_path: Path) -> None:
    write(tmp_path / "log", 5)
    fit_stream(tmp_path / "log", KEEPING, folder=tmp_path / "whole")
    with pytest.raises(Stopped):
        fit_stream(tmp_path / "log", KEEPING, folder=tmp_path / "run", progress=StopAt(step))
    fit_stream(tmp_path / "log", KEEPING, folder=tmp_path / "run")
    assert Run.open(tmp_path / "run").digest == Run.open(tmp_path / "whole").digest
    names = [path.name for path in sorted((tmp_path / "run/predictions").iterdir())]
    assert names == [f"hour-000{hour}.parquet-0000.parquet" for hour in (3, 4)]


def test_what_comes_later_takes_the_place_of_the_first(tmp_path: Path) -> None:
    write(tmp_path / "log", 3)
    fit_stream(tmp_path / "log", KEEPING, folder=tmp_path / "run")
    write(tmp_path / "log", 1, first=3)
    fit_stream(tmp_path / "log", KEEPING, folder=tmp_path / "run")
    assert [one.partition for one in kept_of(tmp_path / "run")] == ["hour-0002.parquet", "hour-0003.parquet"]
    sealed = [name for name in Run.open(tmp_path / "run").names if name.startswith("predictions/")]
    assert sealed == [f"predictions/hour-000{hour}.parquet-0000.parquet" for hour in (2, 3)]
    path = tmp_path / "run" / sealed[0]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged"):
        kept_of(tmp_path / "run")


def test_stretches_of_a_partition_in_a_folder_are_put_together(tmp_path: Path) -> None:
    write(tmp_path / "log" / "2026" / "a b", 2)
    plan = replace(KEEPING, train=replace(PLAN.train, piece=150))
    fit_stream(tmp_path / "log", plan, folder=tmp_path / "run")
    name = "2026/a b/hour-0001.parquet"
    (one,) = read_kept(tmp_path / "run", [name])
    assert len(one) == 400
    assert one.frame["request"].equals(pl.read_parquet(tmp_path / "log" / name)["request"])
    assert len(list((tmp_path / "run/predictions").glob("*hour-0001*"))) == 3


def test_nothing_is_kept_unless_asked(tmp_path: Path) -> None:
    write(tmp_path / "log", 2)
    fit_stream(tmp_path / "log", replace(PLAN, measure=MeasureOptions(keep=0)), folder=tmp_path / "run")
    assert not (tmp_path / "run/predictions").exists()
    assert kept_of(tmp_path / "run") == []
    with pytest.raises(ConfigError, match="keep"):
        MeasureOptions(keep=-1)


def test_without_lists_there_are_no_groups() -> None:
    kept = Kept("a", pl.DataFrame({"item": [1, 2]}), {}, {})
    with pytest.raises(ConfigError, match="request"):
        kept.groups("request")


def test_a_disk_that_refuses_ends_the_run(tmp_path: Path) -> None:
    write(tmp_path / "log", 3)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/predictions").write_text("a file")
    with pytest.raises(SharewiseError, match="predictions"):
        fit_stream(tmp_path / "log", KEEPING, folder=tmp_path / "run")
