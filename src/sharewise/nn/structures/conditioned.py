"""Conditioned networks: one network for all tasks that is told the task's descriptor z."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn

from sharewise.nn import conditioning
from sharewise.nn.dropout import Dropout
from sharewise.nn.picks import Picks
from sharewise.nn.sharing import Setting, Sharing, Traits
from sharewise.nn.stacked import StackedLinear


class Conditioned(Sharing):
    """f(y | x, z): shared layers, into some of which z enters before the activation.

    With `head` "auto" there is one head for each kind of task, so only z tells the tasks apart, and a task
    that was not trained on can be predicted from its descriptor.
    """

    traits: ClassVar[Traits] = Traits(conditional=True)

    def __init__(
        self, setting: Setting, layers: tuple[int, ...], condition: type[conditioning.Condition]
    ) -> None:
        super().__init__()
        options, sizes = setting.options, (setting.features, *setting.options.hidden)
        at = setting.initial
        self.layers, self.conditions = nn.ModuleList(), nn.ModuleDict()
        for i, (features, out) in enumerate(zip(sizes, options.hidden, strict=False)):
            self.layers.append(StackedLinear(features, out, ("0",), at.at("expert", i), rectified=True))
            if i in layers:
                place = at.at("condition", i)
                self.conditions[str(i)] = condition(setting.tasks, setting.size, features, out, place)
        self.dropout = Dropout(options.dropout)
        self.width = sizes[-1]

    def own_parameters(self) -> Iterator[nn.Parameter]:
        tables = (module for module in self.modules() if isinstance(module, conditioning.Project))
        return (table.table for table in tables if table.by_index)

    def forward(self, x: Tensor, picks: Picks | None, z: Tensor | None) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if str(i) in self.conditions:
                x = self.conditions[str(i)](x, z, picks)
            x = self.dropout(torch.relu(x))
        return x


class Concat(Conditioned):
    """z concatenated to a layer's input, the first layer's by default (`condition_at`).

    W [x; z] = Wx x + Wz z is computed as the right-hand side, so a one-hot z costs a look-up. Therefore
    concatenation of the
    index is a bias for every task: `Add` with other initial values.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, setting.options.condition_at or (0,), conditioning.Concat)


class Add(Conditioned):
    """U z added to the layers' pre-activations, of every hidden layer by default; U starts at zero."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting, _all_layers(setting), conditioning.Add)


class Multiply(Conditioned):
    """Pre-activations multiplied by a function of z, in every hidden layer by default.

    `multiply` "film" is (1 + Gz) h + Bz (Perez et al. 2018, eq. 2), "gate" is (1 + Gz) h. G and B start at
    zero. FiLM's network for z is linear here, as z is small.
    """

    def __init__(self, setting: Setting) -> None:
        film = setting.options.multiply == "film"
        condition: type[conditioning.Condition] = conditioning.FiLM if film else conditioning.Gating
        super().__init__(setting, _all_layers(setting), condition)


def _all_layers(setting: Setting) -> tuple[int, ...]:
    return setting.options.condition_at or tuple(range(len(setting.options.hidden)))
