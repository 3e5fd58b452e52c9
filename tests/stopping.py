"""What tests stop a run with, as a power cut would."""

from __future__ import annotations

from sharewise.train import Progress


class Stopped(Exception):
    """Stands for whatever stops a run."""


class StopAt(Progress):
    """Stops the run once so many steps were taken in this call; remembers the notes."""

    def __init__(self, step: int = 1_000_000) -> None:
        self.left = step
        self.notes: list[str] = []

    def step(self, rows: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stopped

    def note(self, text: str) -> None:
        self.notes.append(text)
