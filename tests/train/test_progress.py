"""What a run tells while it runs, and the watch over its losses."""

from __future__ import annotations

import builtins
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from train_stubs import TASKS, Net, make

from sharewise.errors import ConfigError, DivergedError
from sharewise.train import Progress, RichProgress, TensorBoardProgress, Together, TrainOptions, fit
from sharewise.train.watch import EVERY, Watch

OPTIONS = TrainOptions(epochs=2, batch_size=64, precision="fp32", device="cpu")


def test_the_bar_shows_steps_speed_and_score() -> None:
    text = io.StringIO()
    bar = RichProgress(Console(file=text, force_terminal=True, width=120), label="flights")
    fit(Net(TASKS), make(), OPTIONS, progress=bar)
    for part in ("flights", "8/8 steps", "rows/s", "score"):
        assert part in text.getvalue()


def test_together_tells_all() -> None:
    heard: list[Any] = []

    class Hears(Progress):
        def evaluated(self, record: Mapping[str, Any]) -> None:
            heard.append(record["step"])

        def note(self, text: str) -> None:
            heard.append(text)

        def close(self) -> None:
            heard.append("closed")

    both = Together(Hears(), Hears())
    both.note("mind")
    fit(Net(TASKS), make(), OPTIONS, progress=both)
    assert heard == ["mind", "mind", 4, 4, 8, 8, "closed", "closed"]


def test_without_tensorboard_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "torch.utils.tensorboard":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match=r"pip install 'sharewise\[track\]'"):
        TensorBoardProgress(tmp_path)


def test_where_looking_waits_for_the_device_the_first_bad_step_is_remembered() -> None:
    watch = Watch(TASKS, torch.device("cpu"))
    watch._immediate = False  # as on an accelerator
    good, bad = torch.ones(5), torch.tensor([1.0, 1.0, torch.inf, 1.0, torch.nan])
    for step in range(2 * EVERY):
        watch.see(step, good, good.sum())
    watch.see(40, bad, bad.sum())
    watch.see(41, torch.full((5,), torch.nan), torch.tensor(torch.nan))
    with pytest.raises(DivergedError, match=r"task 'three', 'no' is not a finite number at step 40;"):
        watch.check()
