"""RankPlan: all that decides what a ranker learns from a stream, checked as a whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sharewise.balance import Balancer, Needs, make_balancer
from sharewise.errors import ConfigError, nearest
from sharewise.nn import ModelOptions
from sharewise.ranking.objectives import check_tasks, default_tasks
from sharewise.ranking.options import BiasOptions, BlendOptions, LogOptions, MeasureOptions, StreamOptions
from sharewise.tasks import TaskSet

#: A small mixture: one shared hidden layer, then experts and towers of the size of Ma et al. (KDD 2018).
MODEL = ModelOptions(sharing="mmoe", hidden=(16,), tower=(8,), experts=8, encoder_hidden=(32,))
#: What the usual objectives count in a product.
USUAL = {"click": 1.0, "watch": 1.0, "like": 0.5, "dismiss": -0.5, "rating": 1.0}


@dataclass(frozen=True)
class RankPlan:
    """A ranker's plan.

    Args:
        tasks: the objectives, with labels over the log's columns.
        log: how the log is read.
        model: the network.
        bias: what is done about the place.
        blend: how predictions become a score.
        measure: what is measured.
        train: how it is trained.
        balance: arguments of `make_balancer`.

    Raises:
        ConfigError: if a task is named that there is not, or of a kind that cannot be ranked by.
    """

    tasks: TaskSet = field(default_factory=default_tasks)
    log: LogOptions = field(default_factory=LogOptions)
    model: ModelOptions = MODEL
    bias: BiasOptions = field(default_factory=BiasOptions)
    blend: BlendOptions = field(default_factory=BlendOptions)
    measure: MeasureOptions = field(default_factory=MeasureOptions)
    train: StreamOptions = field(default_factory=StreamOptions)
    balance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_tasks(self.tasks)
        self._check_heads()
        if self.train.spread and self.balancer().weighting.needs > Needs.LOSSES:
            raise ConfigError(
                "A method that compares gradients needs all embeddings in every process.",
                "Set train.spread = false, or balance by a method that reads losses alone.",
            )
        self._settle("bias", replace(self.bias, tasks=self.bias.tasks or self._first_binary()), "tasks")
        usual = {name: weight for name, weight in USUAL.items() if name in self.tasks.names}
        weights = self.blend.weights or usual or {self.tasks.names[0]: 1.0}
        self._settle("blend", replace(self.blend, weights=weights), "weights")
        gain = self.measure.gain or dict.fromkeys(self._first_binary(), 1.0)
        self._settle("measure", replace(self.measure, gain=gain), "gain")

    def _settle(self, part: str, options: Any, names: str) -> None:
        for name in getattr(options, names):
            if name not in self.tasks.names:
                raise ConfigError(
                    f"There is no task '{name}', which {names} of {part} names.",
                    nearest(name, self.tasks.names),
                )
        object.__setattr__(self, part, options)

    def _check_heads(self) -> None:
        # Labels' scales follow the stream, and heads follow them: each its own task's.
        standardised = [group for group in self.tasks.groups if group.kind.standardised]
        if self.model.heads_per_kind and any(len(group.index) > 1 for group in standardised):
            raise ConfigError(
                f"With sharing '{self.model.sharing}' tasks of a kind share a head, which cannot follow the "
                "scale of each task's labels.",
                'Set head = "per_task" in the model.',
            )

    def _first_binary(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.tasks if task.kind.name == "binary")[:1]

    def balancer(self) -> Balancer:
        """Return the balancer of a run."""
        return make_balancer(self.tasks, **self.balance)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        parts = ("log", "model", "bias", "blend", "measure", "train")
        own = {part: asdict(getattr(self, part)) for part in parts}
        return {"tasks": self.tasks.to_dict(), **own, "balance": dict(self.balance)}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> RankPlan:
        """Inverse of `to_dict`, also after a way through JSON."""
        made = {part: cls(**_tuples(values[part])) for part, cls in _PARTS.items()}
        return RankPlan(tasks=TaskSet.from_dict(values["tasks"]), balance=values["balance"], **made)


_PARTS: dict[str, Any] = {
    "log": LogOptions,
    "model": ModelOptions,
    "bias": BiasOptions,
    "blend": BlendOptions,
    "measure": MeasureOptions,
    "train": StreamOptions,
}


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
