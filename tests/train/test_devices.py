"""A training leaves the process as it was, and ends with the same bits every time, on a GPU too."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from sharewise import ModelOptions, MultiTaskModel, Table, Task, TrainOptions, fit
from sharewise.train.devices import repeatable
from sharewise.train.processes import backend_of

GPU = pytest.param(
    "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of CUDA's")
)


@pytest.mark.parametrize("device", ["cpu", GPU])
def test_chance_and_settings_stay_as_they_are(device: str) -> None:
    before, fixed = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled()
    with repeatable(torch.device(device)):
        torch.rand(3, device=device)
        assert torch.are_deterministic_algorithms_enabled() == (device == "cuda")
    assert torch.equal(before, torch.get_rng_state())
    assert torch.are_deterministic_algorithms_enabled() == fixed


def frame(rows: int = 4000) -> pl.DataFrame:
    number = pl.int_range(rows, eager=True)
    chance = pl.Series(torch.randn(rows, generator=torch.Generator().manual_seed(0)).numpy())
    return pl.DataFrame(
        {
            "x": chance,
            "who": (number * 7919 % 5).cast(pl.String),
            "where": (number * 104729 % 300).cast(pl.String),
            "part": (number % 3).cast(pl.String),
            "y": chance * 2 + (number % 5),
            "late": (number % 7 > 3).cast(pl.Int8),
        }
    )


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("sharing", ["mmoe", "shared_bottom", "multiply"])
def test_look_ups_by_many_rows_end_with_the_same_bits(device: str, precision: str, sharing: str) -> None:
    column = "part" if sharing == "multiply" else None
    tasks = [Task("y", "regression")] if column else [Task("y", "regression"), Task("late")]
    table = Table(frame(), tasks, task_column=column)
    ends = []
    for _ in range(2):
        options = ModelOptions(sharing=sharing, hidden=(32,), numeric="piecewise")
        model = MultiTaskModel(table.tasks, table.schema.inputs, options)
        fit(model, table, TrainOptions(epochs=2, batch_size=512, precision=precision, device=device))
        ends.append(torch.cat([p.detach().flatten().cpu() for p in model.parameters()]))
    assert torch.equal(*ends)


def test_processes_that_share_a_gpu_do_not_talk_through_nccl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for processes, expected in (("2", "nccl"), ("3", "gloo")):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
        assert backend_of(torch.device("cuda")) == expected
        assert backend_of(torch.device("cpu")) == "gloo"
