"""What the parts of a model are built from: options of encoders, structures and heads, checked once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.errors import ConfigError, nearest
from sharewise.tasks.descriptors import DESCRIPTORS

CHOICES: dict[str, tuple[str, ...]] = {
    "expert_dropout_by": ("row", "batch"),
    "soft_to": ("mean", "pairwise"),
    "multiply": ("film", "gate"),
    "head": ("auto", "per_task", "per_kind"),
    "descriptor": DESCRIPTORS,
    "numeric": ("linear", "bins", "piecewise", "periodic"),
    "member_scale": ("signs", "normal"),
}
AT_LEAST: dict[str, float] = {
    "experts": 1,
    "specific": 1,
    "levels": 1,
    "importance": 0,
    "gate_rate": 0,
    "soft": 0,
    "embedding": 1,
    "numeric_width": 1,
    "numeric_embedding": 1,
    "frequencies": 1,
    "frequency_scale": 0,
    "members": 1,
}
#: More than anyone trains; far more would only be found out when memory or patience is at its end.
AT_MOST = {"experts": 10_000, "specific": 10_000, "levels": 100, "members": 1_000}
RATES = ("expert_dropout", "dropout", "input_dropout")
WIDTHS = ("hidden", "tower", "encoder_hidden", "channels")


@dataclass(frozen=True, kw_only=True)
class PartOptions:
    """Options of a model's parts; each structure reads those that concern it.

    Attributes:
        hidden: widths of the structure's hidden layers (of every expert, in mixtures).
        tower: widths of the hidden layers that each task has of its own, before its head.
        dropout: rate of drop-out after every hidden layer.
        input_dropout: rate of drop-out on the encoder's output.
        experts: experts of a mixture; in CGC and PLE those that all tasks share.
        specific: CGC and PLE: experts that each task has of its own.
        levels: PLE: levels of extraction.
        expert_dropout: rate at which a gate's weight for an expert is dropped and the rest renormalised.
        expert_dropout_by: "row" draws for every row, "batch" once a batch.
        importance: factor of the importance loss (squared coefficient of variation of expert use).
        gate_rate: factor of the learning rate for gates and cross-stitch units.
        soft: factor λ of soft sharing.
        soft_to: soft sharing pulls towards the tasks' "mean", or "pairwise" together.
        stitch: cross-stitch: initial weight of a task's own features; the rest is divided equally.
        condition_at: layers at which the descriptor enters (0 is the first); empty means the structure's
            custom: concat the first, add and multiply all.
        multiply: "film" (scale and shift) or "gate" (scale only).
        head: "per_task", or "per_kind" (one head for all tasks of a kind, needed for unseen tasks);
            "auto" is per kind for structures that see the descriptor.
        descriptor: "index" (one-hot), "attributes" or "text".
        embedding: size of the embedding of every categorical column.
        numeric: how numeric columns enter: "linear" (as they are), "bins" (piecewise-linear encoding of all
            columns into one linear layer), "piecewise" or "periodic" (embeddings column by column).
        numeric_width: outputs of that one layer of "bins".
        numeric_embedding: size of the piecewise or periodic embedding of every numeric column.
        frequencies, frequency_scale: periodic: how many, and the standard deviation they start with.
        encoder_hidden: widths of hidden layers between the encoder and the structure.
        channels: channels of the convolutional encoder's blocks.
        members: networks in a parameter-efficient ensemble (TabM-mini); 1 means no ensemble.
        member_scale: members' scalings start as random "signs" or as "normal" numbers.
    """

    hidden: tuple[int, ...] = (64, 64)
    tower: tuple[int, ...] = ()
    dropout: float = 0.0
    input_dropout: float = 0.0
    experts: int = 8
    specific: int = 1
    levels: int = 2
    expert_dropout: float = 0.0
    expert_dropout_by: str = "row"
    importance: float = 0.0
    gate_rate: float = 1.0
    soft: float = 1e-3
    soft_to: str = "mean"
    stitch: float = 0.9
    condition_at: tuple[int, ...] = ()
    multiply: str = "film"
    head: str = "auto"
    descriptor: str = "index"
    embedding: int = 8
    numeric: str = "linear"
    numeric_width: int = 64
    numeric_embedding: int = 8
    frequencies: int = 16
    frequency_scale: float = 0.3
    encoder_hidden: tuple[int, ...] = ()
    channels: tuple[int, ...] = (16, 32)
    members: int = 1
    member_scale: str = "signs"

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            _check_choice(name, getattr(self, name), known)
        for name, least in AT_LEAST.items():
            _check(
                least <= getattr(self, name) < math.inf,
                name,
                getattr(self, name),
                f"Use a number of at least {least:g}.",
            )
        for name, most in AT_MOST.items():
            _check(getattr(self, name) <= most, name, getattr(self, name), f"Use a number of at most {most}.")
        for name in RATES:
            _check(0 <= getattr(self, name) < 1, name, getattr(self, name), "Use at least 0 and less than 1.")
        for name in WIDTHS:
            object.__setattr__(self, name, tuple(getattr(self, name)))
            _check(all(w > 0 for w in getattr(self, name)), name, getattr(self, name), "Use positive widths.")
        _check(0 <= self.stitch <= 1, "stitch", self.stitch, "Use a share from 0 to 1.")
        _check(len(self.hidden) > 0, "hidden", self.hidden, "Give at least one width.")
        object.__setattr__(self, "condition_at", tuple(self.condition_at))
        inside = all(0 <= layer < len(self.hidden) for layer in self.condition_at)
        _check(inside, "condition_at", self.condition_at, f"Name layers from 0 to {len(self.hidden) - 1}.")


def _check(right: bool, name: str, value: object, remedy: str) -> None:
    if not right:
        raise ConfigError(f"Model option '{name}' is {value}.", remedy)


def _check_choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigError(
            f"Model option '{name}' has the unknown value '{value}'.", nearest(value, tuple(known))
        )
