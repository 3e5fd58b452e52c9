"""Task and TaskSet: {p(x), p(y|x), loss} with a weight and a descriptor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch

from sharewise.errors import ConfigError
from sharewise.tasks.kind import Kind
from sharewise.tasks.kinds import kind_from_dict, make_kind


@dataclass(frozen=True)
class Task:
    """One thing to predict.

    Args:
        name: unique within a `TaskSet`.
        kind: a name ("binary", "multiclass", "regression", "count") or a `Kind` of one's own; it fixes
            loss, link and metrics.
        label: a column, or an SQL expression over columns, of the table; null means not observed.
            By default the column with the task's name.
        weight: wᵢ in min Σ wᵢ Lᵢ; not negative.
        classes: multiclass only: the label's values in order of their index; fitted if empty.
        mean, scale: labels are (y - mean) / scale inside the model; fitted on the training split for
            kinds that are standardised, and undone in predictions.
        attributes: zᵢ as numbers; the descriptor of the task, one vector of equal length for all.
        text: zᵢ as a text, encoded by `descriptors.encode_text`.
    """

    name: str
    kind: Kind
    label: str = ""
    weight: float = 1.0
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    attributes: tuple[float, ...] = ()
    text: str = ""

    def __init__(
        self,
        name: str,
        kind: str | Kind = "binary",
        label: str = "",
        weight: float = 1.0,
        classes: Iterable[str] = (),
        mean: float = 0.0,
        scale: float = 1.0,
        attributes: Iterable[float] = (),
        text: str = "",
    ) -> None:
        if not name:
            raise ConfigError("A task has an empty name.", "Give every task a name.")
        if not weight >= 0 or weight == float("inf"):
            raise ConfigError(
                f"Task '{name}' has weight {weight}.", "Use a finite weight that is not negative."
            )
        if not scale > 0:
            raise ConfigError(f"Task '{name}' has label scale {scale}.", "Use a positive scale.")
        classes = tuple(classes)
        if not all(isinstance(one, str) for one in classes):
            raise ConfigError(
                f"Task '{name}' has classes {list(classes)}.", "Write them as texts, as the label has them."
            )
        if len(classes) == 1 or len(set(classes)) < len(classes):
            raise ConfigError(
                f"Task '{name}' has classes {list(classes)}.", "Name at least two, and each of them once."
            )
        values: dict[str, Any] = {
            "name": name,
            "kind": make_kind(kind) if isinstance(kind, str) else kind,
            "label": label or name,
            "weight": float(weight),
            "classes": classes,
            "mean": float(mean),
            "scale": float(scale),
            "attributes": tuple(float(a) for a in attributes),
            "text": text,
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @property
    def width(self) -> int:
        """Outputs of the network for this task: 1, or the number of classes."""
        return self.kind.width(len(self.classes))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return {
            "name": self.name,
            "kind": self.kind.to_dict(),
            "label": self.label,
            "weight": self.weight,
            "classes": list(self.classes),
            "mean": self.mean,
            "scale": self.scale,
            "attributes": list(self.attributes),
            "text": self.text,
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Task:
        return Task(**{**values, "kind": kind_from_dict(values["kind"])})


@dataclass(frozen=True)
class TaskGroup:
    """Tasks of one kind and width, computed together.

    Attributes:
        kind: their kind.
        width: outputs per task.
        index: positions in the task set, in order; `[len(index)]`.
        columns: where their outputs lie in the flat output `[rows, columns]` of a joint model:
            ``outputs[:, columns]`` viewed as ``[rows, len(index), width]``.
    """

    kind: Kind
    width: int
    index: tuple[int, ...]
    columns: slice


@dataclass(frozen=True)
class TaskSet:
    """An ordered set of tasks with unique names."""

    tasks: tuple[Task, ...]
    _by_name: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __init__(self, tasks: Iterable[Task]) -> None:
        tasks = tuple(tasks)
        if not tasks:
            raise ConfigError("There are no tasks.", "Name at least one task.")
        by_name: dict[str, int] = {}
        for i, task in enumerate(tasks):
            if task.name in by_name:
                raise ConfigError(
                    f"Two tasks are called '{task.name}'.", "Give every task a name of its own."
                )
            by_name[task.name] = i
        if not any(task.weight > 0 for task in tasks):
            raise ConfigError("Every task has weight 0.", "Give at least one task a positive weight.")
        object.__setattr__(self, "tasks", tasks)
        object.__setattr__(self, "_by_name", by_name)

    def __len__(self) -> int:
        return len(self.tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)

    def __getitem__(self, key: int | str) -> Task:
        return self.tasks[self._by_name[key] if isinstance(key, str) else key]

    def index(self, name: str) -> int:
        """Position of a task; KeyError if unknown."""
        return self._by_name[name]

    def replace(self, **changes: Iterable[Any]) -> TaskSet:
        """Return a copy with fields of all tasks set from sequences: ``tasks.replace(weight=[1, 2])``."""
        rows = zip(*changes.values(), strict=True)
        return TaskSet(
            replace_task(task, dict(zip(changes, row, strict=True)))
            for task, row in zip(self.tasks, rows, strict=True)
        )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.tasks)

    @cached_property
    def weights(self) -> torch.Tensor:
        """wᵢ, float32 `[tasks]`."""
        return torch.tensor([task.weight for task in self.tasks])

    @cached_property
    def means(self) -> torch.Tensor:
        """Label means, float32 `[tasks]`."""
        return torch.tensor([task.mean for task in self.tasks])

    @cached_property
    def scales(self) -> torch.Tensor:
        """Label scales, float32 `[tasks]`."""
        return torch.tensor([task.scale for task in self.tasks])

    @cached_property
    def groups(self) -> tuple[TaskGroup, ...]:
        """Tasks by (kind, width), in order of first appearance."""
        members: dict[tuple[Kind, int], list[int]] = {}
        for i, task in enumerate(self.tasks):
            members.setdefault((task.kind, task.width), []).append(i)
        groups, start = [], 0
        for (kind, width), index in members.items():
            stop = start + width * len(index)
            groups.append(TaskGroup(kind, width, tuple(index), slice(start, stop)))
            start = stop
        return tuple(groups)

    @property
    def columns(self) -> int:
        """Width of the flat output of a joint model: the tasks' widths summed."""
        return int(self.groups[-1].columns.stop)

    @property
    def width(self) -> int:
        """Width of the padded output of a disjoint model: the widest task."""
        return max(group.width for group in self.groups)

    def to_dict(self) -> list[dict[str, Any]]:
        return [task.to_dict() for task in self.tasks]

    @staticmethod
    def from_dict(values: list[dict[str, Any]]) -> TaskSet:
        return TaskSet(Task.from_dict(v) for v in values)


def replace_task(task: Task, changes: dict[str, Any]) -> Task:
    """Return `task` with some fields changed, checked again."""
    return replace(task, **changes)
