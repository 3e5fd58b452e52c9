"""Two processes give the result of one, from the same command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cli_support import CONFIG

from sharewise.train import Run

SPLIT = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--standalone"]


def launch(folder: Path, prefix: list[str], out: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *prefix, "-m", "sharewise", "train", "run.toml", "--out", out]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_two_processes_give_the_result_of_one(folder: Path) -> None:
    (folder / "run.toml").write_text(CONFIG.replace("epochs = 1", "epochs = 3"))
    for prefix, out in (([], "one"), (SPLIT, "two")):
        done = launch(folder, prefix, out)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("score") == 1
    one, two = Run.open(folder / "one"), Run.open(folder / "two")
    for name, value in one.weights().items():
        torch.testing.assert_close(two.weights()[name], value, rtol=0, atol=1e-5)
    losses = [run.read_json("metrics.json")["test"]["tasks"]["delay"]["loss"] for run in (one, two)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_a_mistake_is_told_once(folder: Path) -> None:
    (folder / "run.toml").write_text(CONFIG.replace("hidden", "hiden"))
    done = launch(folder, SPLIT, "out")
    assert done.returncode != 0
    assert done.stderr.count("sharewise: ") == 1
    assert not (folder / "out").exists()
