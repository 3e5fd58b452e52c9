"""A short version of `benchmarks/crash.py`: kills, damage and a full disk."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def load() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "crash.py"
    spec = importlib.util.spec_from_file_location("crash", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["crash"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_kills_damage_and_full_disks_lose_nothing(tmp_path: Path) -> None:
    crash = load().Crash(tmp_path, seed=int.from_bytes(b"crash"))
    crash.kill(6)
    crash.damage(20)
    crash.fill(every=40)
    figures = crash.figures
    assert figures.kills >= 6
    assert figures.unreadable == figures.different == 0
    assert figures.damages_accepted == figures.fallbacks_missed == 0
    assert figures.full_disks >= 5
    assert figures.full_disks_unclear == figures.full_disks_lost == 0
