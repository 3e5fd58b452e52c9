"""Embeddings spread over two processes: the stream's result is that of one process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import spread_victim
import torch
from rank_logs import partition
from rank_victim import PLAN
from spread_victim import SPREAD

from sharewise.errors import ConfigError
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.plan import RankPlan
from sharewise.train import Run
from sharewise.train.processes import Processes
from sharewise.train.spreading import spread_tables


def write(folder: Path, number: int) -> None:
    """Write a partition whose users are all new, so that the table grows."""
    folder.mkdir(exist_ok=True)
    users = pl.int_range(number * 400, number * 400 + 400).alias("user")
    partition(number).with_columns(users).write_parquet(folder / f"{number}.parquet")


def train_in_two(log: Path, folder: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, spread_victim.__file__, str(log), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_spread_over_two_processes_the_result_is_that_of_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for number in range(3):
        write(log, number)
    train_in_two(log, tmp_path / "two")
    write(log, 3)
    train_in_two(log, tmp_path / "two")  # goes on from a checkpoint, which has all rows
    one = fit_stream(log, SPREAD, folder=tmp_path / "one")
    found = Run.open(tmp_path / "two")
    weights = found.weights()
    assert weights["encoder.base.parts.growing.rows.table"].shape[1] == 2048
    for name, value in Run.open(tmp_path / "one").weights().items():
        torch.testing.assert_close(weights[name], value, atol=1e-5, rtol=1e-4)
    assert found.read_json("metrics.json")["measures"]["tasks"]["click"] == pytest.approx(
        one.measures["tasks"]["click"], abs=1e-4
    )
    assert one.ranker is not None
    frame = pl.read_parquet(log / "3.parquet")
    torch.testing.assert_close(
        load_ranker(tmp_path / "two").predict(frame)["click"].to_torch(),
        one.ranker.predict(frame)["click"].to_torch(),
        atol=1e-5,
        rtol=1e-4,
    )


def test_methods_that_compare_gradients_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs all embeddings"):
        replace(SPREAD, balance={"method": "upgrad"})


def test_an_odd_number_of_processes_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "log", 0)
    ranker = fit_stream(tmp_path / "log", RankPlan(model=PLAN.model, train=PLAN.train)).ranker
    assert ranker is not None
    optimizer = torch.optim.AdamW(ranker.model.parameters())
    with pytest.raises(ConfigError, match="3 processes"):
        spread_tables(ranker.model, optimizer, Processes(0, 3))
