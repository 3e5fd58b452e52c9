"""MetaState: everything that the rest of a meta-training depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from sharewise.meta import Learner
from sharewise.train.state import Cursor, flatten_optimizer, plain, tensors_of, unflatten_optimizer


@dataclass
class MetaState:
    """A meta-training's live parts; episodes need none, since those of a step depend on its number alone.

    Attributes:
        model: the learner.
        optimizer: of the outer loop.
        running: `[2]` sum of losses, and steps, since the last record of the log.
        cursor: where the run is; its epoch stays 0.
        best: the weights of the best evaluation; None before it.
        cores: on which the run was begun; how sums are rounded may depend on it.
    """

    model: Learner
    optimizer: torch.optim.Optimizer
    running: Tensor
    cursor: Cursor = field(default_factory=Cursor)
    best: dict[str, Tensor] | None = None
    cores: int = 1

    def keep_best(self) -> None:
        """Remember the present weights as the best."""
        self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def restore_best(self) -> None:
        """Put the best weights into the learner, if there are any."""
        if self.best is not None:
            self.model.load_state_dict(self.best)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, on the CPU."""
        best = self.best if self.best is not None and not self.cursor.at_best else {}
        parts: dict[str, Mapping[str, Tensor]] = {
            "model": self.model.state_dict(),
            "best": best,
            "optimizer": flatten_optimizer(self.optimizer),
            "run": {"running": self.running},
        }
        return plain({f"{part}.{name}": v for part, values in parts.items() for name, v in values.items()})

    def values(self) -> dict[str, Any]:
        """Return all that is not a tensor, for JSON."""
        return {**asdict(self.cursor), "cores": self.cores}

    def load(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Go on where `tensors()` and `values()` were taken."""
        self.cursor = Cursor(**{name: value for name, value in values.items() if name != "cores"})
        self.cores = values["cores"]
        self.model.load_state_dict(tensors_of(tensors, "model"))
        unflatten_optimizer(self.optimizer, tensors_of(tensors, "optimizer"))
        self.running.copy_(tensors["run.running"])
        if self.cursor.best_score is None:
            self.best = None
        elif self.cursor.at_best:
            self.keep_best()
        else:
            device = self.running.device
            self.best = {name: value.to(device) for name, value in tensors_of(tensors, "best").items()}
