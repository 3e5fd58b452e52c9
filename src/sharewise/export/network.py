"""Network: inputs -> predictions in the labels' unit, as one graph without branches on data."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sharewise.errors import ConfigError
from sharewise.nn import MultiTaskModel
from sharewise.tasks import TaskGroup, TaskSet
from sharewise.train.ensemble import pool

#: The input that tells each row's task, for rows of one task each.
TASK = "task"


class Network(nn.Module):
    """A trained model with links and scales, in evaluation mode, on the CPU.

    Members of an ensemble are pooled. A tower of circumstances, such as places, is left out: they are not
    known when serving. Disjoint rows go through all tasks, of which each row's own is taken: a graph cannot
    sort rows by what they hold.

    Args:
        model: trained; it is copied.
        tasks: the fitted tasks.
        disjoint: rows are of one task each, told by the input ``"task"``.

    Raises:
        ConfigError: if rows are disjoint and tasks are of several kinds.
    """

    means: Tensor
    scales: Tensor

    def __init__(self, model: MultiTaskModel, tasks: TaskSet, disjoint: bool = False) -> None:
        super().__init__()
        if disjoint and len(tasks.groups) > 1:
            raise ConfigError(
                "Rows of one task each, and tasks of several kinds, make no single graph.",
                "Export a model whose tasks are of one kind.",
            )
        self.tasks, self.disjoint = tasks, disjoint
        self.model = copy.deepcopy(model).cpu().eval().requires_grad_(False)
        self.model.offset = None
        self.register_buffer("means", tasks.means.clone())
        self.register_buffer("scales", tasks.scales.clone())

    @property
    def columns(self) -> list[str]:
        """What each column of the predictions is: a task, or ``task=class``."""
        if self.disjoint:
            first = self.tasks[0]
            return [f"prediction={c}" for c in first.classes] if first.width > 1 else ["prediction"]
        found = []
        for group in self.tasks.groups:
            for task in (self.tasks[i] for i in group.index):
                own = [f"{task.name}={label}" for label in task.classes] or [task.name]
                found += own if task.width > 1 else [task.name]
        return found

    def forward(
        self, inputs: Mapping[str, Tensor], task: Int[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "rows columns"]:
        """Return predictions: joint as `sharewise.predict` lays them out, disjoint of each row's task."""
        outputs = self.model(inputs)
        outputs = pool(outputs, self.tasks) if self.model.options.members > 1 else outputs
        found = [self._of(group, outputs) for group in self.tasks.groups]
        if task is None:
            return torch.cat([own.flatten(1) for own in found], 1)
        chosen = task.view(-1, 1, 1).expand(-1, 1, found[0].shape[2])
        return found[0].gather(1, chosen).squeeze(1)

    def _of(self, group: TaskGroup, outputs: Tensor) -> Float[Tensor, "rows tasks width"]:
        own = outputs[:, group.columns].view(-1, len(group.index), group.width)
        own = group.kind.link(own)
        if not group.kind.standardised:
            return own
        index = list(group.index)
        return own * self.scales[index, None] + self.means[index, None]
