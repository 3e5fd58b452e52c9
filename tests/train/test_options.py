"""Options are checked where they are made; schedules are functions of the step; devices choose themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sharewise.errors import ConfigError
from sharewise.train import TrainOptions
from sharewise.train.devices import choose_device, choose_precision, usable_cores
from sharewise.train.schedule import SCHEDULES, factor


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"weight_decay": -1e-3},
        {"schedule": "cosin"},
        {"precision": "fp16"},
        {"clip": 0.0},
        {"patience": 0},
        {"accumulate": 0},
        {"evals_per_epoch": 0},
        {"checkpoint_every": -1},
        {"warmup": -1},
        {"temperature": 0.0},
        {"tasks_per_batch": 0},
        {"sampling": "random"},
    ],
)
def test_mistakes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"'{next(iter(wrong))}'"):
        TrainOptions(**wrong)


def test_options_survive_plain_values() -> None:
    options = TrainOptions(epochs=3, clip=1.0, schedule="cosine")
    assert TrainOptions(**options.to_dict()) == options


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(1, 500), st.integers(0, 600), st.data())
def test_factors_stay_between_0_and_1_and_fall_after_the_warm_up(
    schedule: str, steps: int, warmup: int, data: st.DataObject
) -> None:
    step = data.draw(st.integers(0, steps - 1))
    here, there = factor(schedule, step, steps, warmup), factor(schedule, step + 1, steps, warmup)
    assert 0 < here <= 1
    assert there > here if step + 1 < warmup else there <= here or step < warmup


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be used here"):
        choose_device("abacus")
    assert choose_device("cpu").type == "cpu"


def test_narrow_models_stay_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharewise.train.devices._cpu_flags", lambda: frozenset({"avx512_bf16"}))
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu, nn.Linear(64, 512)) == "fp32"
    assert choose_precision("auto", cpu, nn.Linear(256, 512)) == "bf16"
    assert choose_precision("bf16", cpu, nn.Linear(2, 2)) == "bf16"
    monkeypatch.setattr("sharewise.train.devices._cpu_flags", lambda: frozenset())
    assert choose_precision("auto", cpu, nn.Linear(256, 512)) == "fp32"


def test_there_is_a_core_to_use() -> None:
    assert usable_cores() >= 1
