"""What a run tells while it runs: `Progress` is the interface, silent by itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from sharewise.errors import ConfigError


class Progress:
    """Hears of a run's course; this one keeps silent. Subclass it and override what you need."""

    def start(self, steps: int, done: int) -> None:
        """`steps` in all, of which `done` were taken before a resumption."""

    def step(self, rows: int) -> None:
        """One more step, with so many rows; in meta-training, tasks."""

    def evaluated(self, record: Mapping[str, Any]) -> None:
        """A record of the log: step, epoch, score, train and valid losses by task."""

    def note(self, text: str) -> None:
        """Something that the user should know."""

    def close(self) -> None:
        """The run ended, or failed."""


class RichProgress(Progress):
    """A bar with rows per second, the score and the time left.

    Args:
        console: where to draw; standard error by default, so that results can be piped.
        label: what is being trained.
        unit: what is counted; in meta-training tasks.
    """

    def __init__(self, console: Console | None = None, label: str = "training", unit: str = "rows") -> None:
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed}/{task.total} steps"),
            TextColumn("{task.fields[speed]}  {task.fields[score]}"),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )
        self._label, self._unit = label, unit
        self._task: TaskID | None = None
        self._score = ""
        self._rows = self._steps = 0
        self._began = self._shown = 0.0

    def start(self, steps: int, done: int) -> None:
        self._began = self._shown = time.perf_counter()
        self._task = self._bar.add_task(self._label, total=steps, completed=done, speed="", score="")
        self._bar.start()

    def step(self, rows: int) -> None:
        self._rows += rows
        self._steps += 1
        if time.perf_counter() - self._shown > 0.2:  # drawing at every step would cost more than some steps
            self._show()

    def evaluated(self, record: Mapping[str, Any]) -> None:
        score = record.get("score")
        self._score = "" if score is None else f"score {score:.4f}"
        self._show()

    def note(self, text: str) -> None:
        self._bar.console.print(text)

    def close(self) -> None:
        self._show()
        self._bar.stop()

    def _show(self) -> None:
        if self._task is None:
            return
        self._shown = time.perf_counter()
        speed = self._rows / max(self._shown - self._began, 1e-9)
        self._bar.update(
            self._task, advance=self._steps, speed=f"{speed:,.0f} {self._unit}/s", score=self._score
        )
        self._steps = 0


class TensorBoardProgress(Progress):
    """Writes losses, score and learning rate for TensorBoard.

    Args:
        folder: where its event files go.

    Raises:
        ConfigError: if TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "TensorBoard is not installed.", "Install it with: pip install 'sharewise[track]'"
            ) from error
        self._writer = SummaryWriter(str(folder))

    def evaluated(self, record: Mapping[str, Any]) -> None:
        for key in ("score", "learning_rate"):
            if record.get(key) is not None:
                self._writer.add_scalar(key, record[key], record["step"])
        for split in ("train", "valid"):
            for task, loss in record[split].items():
                self._writer.add_scalar(f"{split}/{task}", loss, record["step"])

    def close(self) -> None:
        self._writer.close()


class Together(Progress):
    """Tells several."""

    def __init__(self, *others: Progress) -> None:
        self._others = others

    def start(self, steps: int, done: int) -> None:
        for other in self._others:
            other.start(steps, done)

    def step(self, rows: int) -> None:
        for other in self._others:
            other.step(rows)

    def evaluated(self, record: Mapping[str, Any]) -> None:
        for other in self._others:
            other.evaluated(record)

    def note(self, text: str) -> None:
        for other in self._others:
            other.note(text)

    def close(self) -> None:
        for other in self._others:
            other.close()
