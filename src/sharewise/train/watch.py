"""Stops a run whose losses are no numbers any more, and names the task and the step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sharewise.errors import DivergedError
from sharewise.tasks import TaskSet

#: Steps between looks where each look waits for the device.
EVERY = 16


class Watch:
    """Sees every step's losses; on an accelerator the first bad one is remembered there and looked at later.

    Args:
        tasks: to name the culprit.
        device: where the losses lie.
    """

    def __init__(self, tasks: TaskSet, device: torch.device) -> None:
        self._tasks = tasks
        self._immediate = device.type == "cpu"
        self._fine = torch.ones((), dtype=torch.bool, device=device)
        self._at = torch.zeros((), dtype=torch.long, device=device)
        self._losses = torch.zeros(len(tasks), device=device)
        self._unseen = 0

    def see(self, step: int, losses: Tensor, total: Tensor) -> None:
        """Look at one step: the tasks' losses and their weighted sum with the penalty, detached.

        Raises:
            DivergedError: if one is NaN or infinite, at once on the CPU, some steps later elsewhere.
        """
        if self._immediate:
            if not math.isfinite(total.item()):
                raise self.error(f"at step {step}", losses)
            return
        self._at = torch.where(self._fine, step, self._at)
        self._losses = torch.where(self._fine, losses, self._losses)
        self._fine = self._fine & total.isfinite()
        self._unseen += 1
        if self._unseen >= EVERY:
            self.check()

    def check(self) -> None:
        """Look now: before anything is evaluated or saved.

        Raises:
            DivergedError: if a step was bad.
        """
        self._unseen = 0
        if not bool(self._fine):
            raise self.error(f"at step {int(self._at)}", self._losses)

    def error(self, where: str, losses: Tensor) -> DivergedError:
        """Return the error that names the tasks whose losses are not finite."""
        bad = (~losses.isfinite()).nonzero().flatten().tolist()
        names = ", ".join(f"'{self._tasks[i].name}'" for i in bad[:3]) + (
            " and others" if len(bad) > 3 else ""
        )
        what = f"The loss of task {names}" if bad else "The penalty, or the weighted sum of the losses,"
        return DivergedError(
            f"{what} is not a finite number {where}; training stopped; what was saved before is kept.",
            "Lower the learning rate, clip the gradient, or look for extreme values in the table.",
        )
