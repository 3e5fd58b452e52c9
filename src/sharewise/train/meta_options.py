"""How to meta-train: every number of that loop in one checked place."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sharewise.errors import ConfigError, nearest
from sharewise.meta.strategy import STRATEGIES
from sharewise.train.schedule import SCHEDULES

OPTIMIZERS = ("adam", "sgd")


@dataclass(frozen=True)
class MetaOptions:
    """Options of `fit_learner`.

    Args:
        iterations: steps of the outer loop.
        tasks_per_batch: episodes of a step.
        learning_rate: of the outer optimizer, at the schedule's peak.
        optimizer: "adam" or "sgd" (Reptile's).
        weight_decay: decoupled, not on vectors.
        schedule: "constant", "cosine" or "linear", down to 0 at the last step.
        warmup: steps over which the learning rate first rises from 0.
        clip: largest norm of the whole meta-gradient, or None.
        eval_every: steps between evaluations on the validation tasks; the score is the accuracy for classes,
            and minus the loss for all other labels.
        eval_episodes: episodes of an evaluation.
        patience: evaluations without a better score after which to stop, or None for never.
        seed: of all chance: the episodes, drop-out.
        device: "auto", or a name of PyTorch's.
        strategy: how the meta-gradient is computed; see `sharewise.meta.strategy`.

    Raises:
        ConfigError: for a value that cannot be used.
    """

    iterations: int = 10_000
    tasks_per_batch: int = 16
    learning_rate: float = 1e-3
    optimizer: str = "adam"
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: int = 0
    clip: float | None = None
    eval_every: int = 500
    eval_episodes: int = 200
    patience: int | None = None
    seed: int = 0
    device: str = "auto"
    strategy: str = "auto"

    def __post_init__(self) -> None:
        for name in ("iterations", "tasks_per_batch", "eval_every", "eval_episodes"):
            self._need(name, getattr(self, name) >= 1, "a whole number from 1 on")
        for name in ("warmup", "weight_decay"):
            self._need(name, 0 <= getattr(self, name) < float("inf"), "a number from 0 on")
        self._need("learning_rate", 0 < self.learning_rate < float("inf"), "a positive number")
        self._need("clip", self.clip is None or self.clip > 0, "a positive number, or none")
        good = self.patience is None or self.patience >= 1
        self._need("patience", good, "a whole number from 1 on, or none")
        for name, known in (
            ("schedule", tuple(SCHEDULES)),
            ("strategy", STRATEGIES),
            ("optimizer", OPTIMIZERS),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"Training option '{name}' is '{getattr(self, name)}', which is unknown.",
                    nearest(str(getattr(self, name)), known),
                )

    def _need(self, name: str, good: bool, what: str) -> None:
        if not good:
            raise ConfigError(f"Training option '{name}' is {getattr(self, name)}.", f"Use {what}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; ``MetaOptions(**values)`` is the inverse."""
        return asdict(self)
