"""RunState: everything that the rest of a run depends on, as named tensors and plain values.

Chance needs no place in it: the order of rows is a function of (seed, epoch), and what a step draws of
(seed, step). So a resumed run draws what the undisturbed one would, in any number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sharewise.balance import Balancer, Conflict
from sharewise.nn import Part


@dataclass
class Cursor:
    """Where a run is.

    Attributes:
        step: steps taken.
        epoch: the current one, from 0.
        batch: batches of it that are done.
        best_score, best_step: of the best evaluation; None and 0 before it.
        worse: evaluations since without a better score.
        finished: nothing is left to do.
        task_best, task_worse: the same for each task, where tasks share nothing; else None.
        best_whole: the best weights are those of one step, the best one.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    best_score: float | None = None
    best_step: int = 0
    worse: int = 0
    finished: bool = False
    task_best: list[float] | None = None
    task_worse: list[int] | None = None
    best_whole: bool = True

    @property
    def at_best(self) -> bool:
        """True if the present weights are the best ones."""
        return self.best_whole and self.best_step == self.step


class Resumable(Protocol):
    """What a checkpoint holds, and brings back."""

    @property
    def cursor(self) -> Cursor: ...
    def tensors(self) -> dict[str, Tensor]: ...
    def values(self) -> dict[str, Any]: ...
    def load(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None: ...


@dataclass
class RunState:
    """A run's live parts.

    Attributes:
        model, optimizer, balancer: with states of their own.
        running: `[2, tasks]` sums of losses and of weights since the last record of the log.
        conflict: what was seen of the gradients since then.
        cursor: where the run is.
        best: the weights of the best evaluation; None before it.
        shares: `[tasks]` of the rows, where sampling follows the gradients; else None.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    balancer: Balancer
    running: Tensor
    conflict: Conflict
    cursor: Cursor = field(default_factory=Cursor)
    best: dict[str, Tensor] | None = None
    shares: Tensor | None = None

    def keep_best(self, parts: Sequence[Part] | None = None) -> None:
        """Remember the present weights, or these parts of them, as the best."""
        present = self.model.state_dict()
        if parts is None or self.best is None:
            self.best = {name: value.detach().clone() for name, value in present.items()}
            return
        for name, rows in parts:
            self.best[name][rows] = present[name][rows]

    def restore_best(self) -> None:
        """Put the best weights into the model, if there are any."""
        if self.best is not None:
            self.model.load_state_dict(self.best)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, on the CPU, apart from each other in memory."""
        # The best weights are the present ones at the very step that made them the best.
        best = self.best if self.best is not None and not self.cursor.at_best else {}
        parts: dict[str, Mapping[str, Tensor]] = {
            "model": self.model.state_dict(),
            "best": best,
            "optimizer": flatten_optimizer(self.optimizer),
            "balancer": self.balancer.state_dict(),
            "conflict": self.conflict.state_dict(),
            "run": {"running": self.running},
            "mix": {} if self.shares is None else {"shares": self.shares},
        }
        return plain({f"{part}.{name}": v for part, values in parts.items() for name, v in values.items()})

    def values(self) -> dict[str, Any]:
        """Return all that is not a tensor, for JSON."""
        return asdict(self.cursor)

    def load(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Go on where `tensors()` and `values()` were taken."""
        self.cursor = Cursor(**values)
        self.model.load_state_dict(tensors_of(tensors, "model"))
        unflatten_optimizer(self.optimizer, tensors_of(tensors, "optimizer"))
        self.balancer.load_state_dict(tensors_of(tensors, "balancer"))
        self.conflict.load_state_dict(tensors_of(tensors, "conflict"))
        self.running.copy_(tensors["run.running"])
        self.shares = tensors.get("mix.shares")
        if self.cursor.best_score is None:
            self.best = None
        elif self.cursor.at_best:
            self.keep_best()
        else:
            device = self.running.device
            self.best = {name: value.to(device) for name, value in tensors_of(tensors, "best").items()}


def plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies on the CPU that share no memory, as safetensors wants them."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}


def tensors_of(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """Return the tensors of a part, by their names in it."""
    start = f"{part}."
    return {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimizer's state by "parameter.name"."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": value for i, values in state.items() for name, value in values.items()}


def unflatten_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Inverse of `flatten_optimizer`."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
