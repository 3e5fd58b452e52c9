"""How to train: every number of the loop in one checked place."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sharewise.data.sampling import SCHEMES
from sharewise.errors import ConfigError, nearest
from sharewise.train.devices import PRECISIONS
from sharewise.train.schedule import SCHEDULES


@dataclass(frozen=True)
class TrainOptions:
    """Options of `fit`.

    Args:
        epochs: passes over the training split, or as many batches for samplers that draw with repeats.
        batch_size: rows per batch, over all processes together.
        learning_rate: of AdamW, at the schedule's peak; groups of parameters may scale it.
        weight_decay: decoupled; not on biases, norms and what the model excludes.
        schedule: "constant", "cosine" or "linear", down to 0 at the last step.
        warmup: steps over which the learning rate first rises from 0.
        clip: largest norm of the whole gradient, or None.
        accumulate: batches per step.
        precision: "fp32", "bf16" (autocast), or "auto": bf16 where hardware and width gain by it.
        patience: evaluations without a better score after which to stop, or None for never.
        evals_per_epoch: evaluations on the validation split, evenly spread over an epoch.
        checkpoint_every: steps between checkpoints, beside those at every evaluation; 0 for none.
        seed: of all chance in training: the order of rows, drop-out.
        device: "auto", or a name of PyTorch's ("cpu", "cuda:1").
        sampling: "shuffle", or for disjoint data "uniform", "proportional", "temperature", "round_robin",
            "pike".
        temperature: of the sampler of that name.
        mix_every: steps after which "pike" sets the tasks' shares of the rows anew.
        mix_gain, mix_noise: ζ₁ and ζ₂ of "pike": how much a gradient's length counts, and its noise.
        tasks_per_batch: drawn by samplers that draw tasks first.
        diagnose: steps between two looks at how the tasks' gradients agree, for the log; 0 for never. None
            leaves it to the command: a comparison looks now and then, a training does not.

    Raises:
        ConfigError: for a value that cannot be used.
    """

    epochs: int = 10
    batch_size: int = 1024
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: int = 0
    clip: float | None = None
    accumulate: int = 1
    precision: str = "auto"
    patience: int | None = 3
    evals_per_epoch: int = 1
    checkpoint_every: int = 0
    seed: int = 0
    device: str = "auto"
    sampling: str = "shuffle"
    temperature: float = 1.0
    tasks_per_batch: int = 8
    mix_every: int = 100
    mix_gain: float = 0.1
    mix_noise: float = 0.1
    diagnose: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "evals_per_epoch", "tasks_per_batch", "mix_every"):
            self._need(name, getattr(self, name) >= 1, "a whole number from 1 on")
        for name in ("warmup", "checkpoint_every", "weight_decay", "mix_gain", "mix_noise"):
            self._need(name, 0 <= getattr(self, name) < float("inf"), "a number from 0 on")
        for name in ("learning_rate", "temperature"):
            self._need(name, 0 < getattr(self, name) < float("inf"), "a positive number")
        good = self.diagnose is None or self.diagnose >= 0
        self._need("diagnose", good, "a whole number from 0 on, or none")
        self._need("clip", self.clip is None or self.clip > 0, "a positive number, or none")
        self._need(
            "patience", self.patience is None or self.patience >= 1, "a whole number from 1 on, or none"
        )
        _known("schedule", self.schedule, tuple(SCHEDULES))
        _known("precision", self.precision, PRECISIONS)
        _known("sampling", self.sampling, SCHEMES)

    def _need(self, name: str, good: bool, what: str) -> None:
        if not good:
            raise ConfigError(f"Training option '{name}' is {getattr(self, name)}.", f"Use {what}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; ``TrainOptions(**values)`` is the inverse."""
        return asdict(self)


def _known(option: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise ConfigError(f"Training option '{option}' is '{name}', which is unknown.", nearest(name, names))
