"""torchrun with two processes gives the one-process result; the parts of a batch cover it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import two_processes
from hypothesis import given
from hypothesis import strategies as st

from sharewise.errors import ConfigError
from sharewise.train import Run
from sharewise.train.processes import Processes, connect


@given(st.integers(0, 100), st.integers(1, 9))
def test_parts_cover_a_batch_evenly(rows: int, size: int) -> None:
    parts = [Processes(rank, size).part(rows) for rank in range(size)]
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(rows))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) - min(lengths) <= 1


def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ConfigError, match="RANK is not"):
        connect(torch.device("cpu"))


def start(folder: Path, processes: int) -> None:
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(processes),
    ]
    command = [*torchrun, two_processes.__file__, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_two_processes_give_the_result_of_one(tmp_path: Path) -> None:
    two_processes.main(tmp_path / "one")
    start(tmp_path / "two", 2)
    for shape in ("disjoint", "pike", *(f"joint/{method}" for method in two_processes.METHODS)):
        one, two = Run.open(tmp_path / "one" / shape), Run.open(tmp_path / "two" / shape)
        expected = one.weights()
        for name, value in two.weights().items():
            assert torch.allclose(value, expected[name], atol=1e-5, rtol=1e-4), (shape, name)
        for here, there in zip(one.history(), two.history(), strict=True):
            assert here["step"] == there["step"]
            if "conflict" in here:
                one_seen, two_seen = here["conflict"], there["conflict"]
                for name in ("cosines", "cosine_squares"):
                    cosines = torch.tensor(one_seen[name]), torch.tensor(two_seen[name])
                    assert torch.allclose(*cosines, atol=1e-4), (shape, name)
                for name in ("norm", "agreement"):
                    assert one_seen[name] == pytest.approx(two_seen[name], rel=1e-4, abs=1e-4), (shape, name)
            assert here.get("shares") == pytest.approx(there.get("shares"), abs=1e-5)
            assert here["score"] == pytest.approx(there["score"], abs=1e-5)
            assert here["train"] == pytest.approx(there["train"], abs=1e-4)
