"""What `fit` returns, and the record that it logs at every evaluation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sharewise.tasks import TaskSet


@dataclass(frozen=True)
class FitResult:
    """A finished training; the best weights are in the model.

    Attributes:
        history: the log: one record an evaluation, with step, epoch, learning_rate, score, and the losses of
            train (mean since the last record, in training mode) and valid by task.
        best_step: where the score was best; the last step if there was never a score.
        best_score: that score on the validation split; NaN if there was none.
        scores: every task's part of it: 1 - loss / loss of the constant predictor.
        steps: steps taken in all.
        seconds: of this call; a resumed run's earlier calls are not counted.
        rows_per_second: rows trained on in this call over its seconds, evaluations included; 0 if none.
    """

    history: list[dict[str, Any]]
    best_step: int
    best_score: float
    scores: dict[str, float]
    steps: int
    seconds: float
    rows_per_second: float


class Log:
    """The records of a run, as JSON lines that hold no times, so that the same run gives the same bytes."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = content

    def add(self, record: dict[str, Any]) -> bytes:
        """Add a record and return its line."""
        line = f"{json.dumps(record, ensure_ascii=False, allow_nan=False)}\n".encode()
        self.content += line
        return line

    def records(self) -> list[dict[str, Any]]:
        """Return all records."""
        return [json.loads(line) for line in self.content.splitlines()]


def by_name(values: Tensor, tasks: TaskSet) -> dict[str, float]:
    """Return numbers by task name, without those that are not finite: tasks that have no label here."""
    pairs = zip(tasks.names, values.tolist(), values.isfinite().tolist(), strict=True)
    return {name: value for name, value, finite in pairs if finite}
