"""What a study tells while it runs: `StudyProgress` is the interface, silent by itself."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class StudyProgress:
    """Hears of a study's course; this one keeps silent. Subclass it and override what you need."""

    def stage(self, name: str, trials: int) -> None:
        """A stage of so many trials begins: "search", "train" or "test"."""

    def step(self, trial: str, share: float) -> None:
        """A trial has done this share of its steps."""

    def done(self, trial: str) -> None:
        """A trial is finished, now or by an earlier call."""

    def note(self, text: str) -> None:
        """Something that the user should know."""

    def close(self) -> None:
        """The study ended, or failed."""


class RichStudyProgress(StudyProgress):
    """A bar a stage, with the trials done and the time left.

    Args:
        console: where to draw; standard error by default, so that results can be piped.
    """

    TITLES = {"search": "learning rates", "train": "training", "test": "testing"}  # noqa: RUF012

    def __init__(self, console: Console | None = None) -> None:
        self._bar = Progress(
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[done]}/{task.fields[trials]} runs"),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )
        self._task: TaskID | None = None
        self._shares: dict[str, float] = {}
        self._finished = 0

    def stage(self, name: str, trials: int) -> None:
        self._shares, self._finished = {}, 0
        title = self.TITLES.get(name, name)
        self._task = self._bar.add_task(title, total=trials, done=0, trials=trials)
        self._bar.start()

    def step(self, trial: str, share: float) -> None:
        self._shares[trial] = share
        self._show()

    def done(self, trial: str) -> None:
        self._shares[trial] = 1.0
        self._finished += 1
        self._show()

    def note(self, text: str) -> None:
        self._bar.console.print(text)

    def close(self) -> None:
        self._bar.stop()

    def _show(self) -> None:
        if self._task is not None:
            self._bar.update(self._task, completed=sum(self._shares.values()), done=self._finished)
