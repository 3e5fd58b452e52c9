"""Offset: what the circumstances of a label add to it, apart from what is predicted.

A click is drawn by what is shown and by where it is shown. A shallow tower that sees the place alone has its
logit added to the main one; the main one then need not explain the place, and is what is left when the place
is not known, as when a list has yet to be made (Zhao et al., RecSys 2019, sec. 4.3).

Deviation from the paper: a missing place adds nothing, where the paper's tower has a value for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import ConfigError, nearest
from sharewise.nn.growing import GrowingTable
from sharewise.nn.initial import Initial
from sharewise.nn.stacked import StackedLinear, StackedMLP
from sharewise.tasks import TaskSet

#: The key of its inputs: int64 ``[rows]``, a number for every combination of circumstances, 0 where missing.
KEY = "offset"


class Offset(nn.Module):
    """A shallow tower on one categorical input whose values may grow.

    Args:
        tasks: all tasks of the model.
        chosen: names of those that it adds to.
        initial: source of first values.
        size: of the embedding of a value.
        hidden: widths of hidden layers.
        rate: factor of the learning rate.

    Raises:
        ConfigError: if a name is unknown, or its task has more than one output or standardised labels.
    """

    place: Tensor

    def __init__(
        self,
        tasks: TaskSet,
        chosen: Sequence[str],
        initial: Initial,
        size: int = 16,
        hidden: Sequence[int] = (16,),
        rate: float = 1.0,
    ) -> None:
        super().__init__()
        self.rate = rate
        self.cells = GrowingTable(size, None, initial.at("cells"))
        self.mlp = StackedMLP(size, hidden, ("",), initial)
        self.last = StackedLinear(self.mlp.width, len(chosen), ("",), initial.at("last"))
        nn.init.zeros_(self.last.bias)
        self.register_buffer("place", _places(tasks, chosen), persistent=False)

    def forward(self, inputs: Mapping[str, Tensor]) -> Float[Tensor, "rows columns"]:
        """Return what is added to the model's joint outputs."""
        ids: Int[Tensor, " rows"] = inputs[KEY]
        logits = self.logits(ids) * (ids > 0).unsqueeze(-1)
        return F.linear(logits, self.place)

    def logits(self, ids: Int[Tensor, " rows"]) -> Float[Tensor, "rows chosen"]:
        """Return what these values add to each chosen task, whether missing or not."""
        found: Tensor = self.last(self.mlp(self.cells(ids.unsqueeze(1)).squeeze(1)))
        return found


def _places(tasks: TaskSet, chosen: Sequence[str]) -> Float[Tensor, "columns chosen"]:
    """Return the matrix that puts each chosen task's logit into its column of the outputs."""
    place = torch.zeros(tasks.columns, len(chosen))
    for number, name in enumerate(chosen):
        if name not in tasks.names:
            raise ConfigError(f"An offset is for a task '{name}'.", nearest(name, tasks.names))
        task = tasks.index(name)
        group = next(group for group in tasks.groups if task in group.index)
        if group.width > 1 or group.kind.standardised:
            raise ConfigError(
                f"An offset cannot be added to task '{name}' of kind '{group.kind.name}'.",
                "Choose tasks with one output whose labels are not standardised, such as binary ones.",
            )
        place[group.columns.start + group.index.index(task), number] = 1.0
    return place
