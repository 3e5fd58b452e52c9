"""A short version of `benchmarks/crash.py`: kills, damage and a full disk."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

import pytest
import torch

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.skipif(
        torch.cuda.is_available(), reason="autograd's threads for a GPU do not survive a fork"
    ),
]


@pytest.fixture
def crash_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("crash")


@pytest.mark.parametrize(("name", "damages", "disks"), [("victim", 20, 2), ("meta_victim", 6, 2)])
def test_kills_damage_and_full_disks_lose_nothing(
    tmp_path: Path, crash_module: ModuleType, name: str, damages: int, disks: int
) -> None:
    training = importlib.import_module(name)
    crash = crash_module.Crash(tmp_path, seed=int.from_bytes(b"crash"), training=training)
    crash.kill(6)
    crash.damage(damages)
    crash.fill(disks)
    figures = crash.figures
    assert figures.kills >= 6
    assert figures.unreadable == figures.different == 0
    assert figures.damages_accepted == figures.fallbacks_missed == 0
    assert figures.full_disks >= 5
    assert figures.full_disks_unclear == figures.full_disks_lost == 0
