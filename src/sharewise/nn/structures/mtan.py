"""Multi-task attention network: tasks attend to the features of a shared network's layers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from sharewise.nn.dropout import Dropout
from sharewise.nn.picks import Picks
from sharewise.nn.sharing import Setting, Sharing
from sharewise.nn.stacked import StackedLinear


class MTAN(Sharing):
    """âᵢ⁽ʲ⁾ = aᵢ⁽ʲ⁾ ⊙ p⁽ʲ⁾ with masks aᵢ⁽ʲ⁾ = sigmoid(h(relu(g([u⁽ʲ⁾; âᵢ⁽ʲ⁻¹⁾])))) (Liu et al. 2019, eq.
    1-2).

    Deviations, for dense layers instead of convolutions: u is the input and p the output of the j-th shared
    layer; no batch norm; f, which resizes feature maps in the paper, is left out, since g can read any width.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        options, tasks, at = setting.options, setting.tasks, setting.initial
        sizes = (setting.features, *options.hidden)
        self.shared = nn.ModuleList()
        self.read, self.carry, self.mask = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for i, (features, out) in enumerate(zip(sizes, options.hidden, strict=False)):
            self.shared.append(StackedLinear(features, out, ("0",), at.at("expert", i), rectified=True))
            self.read.append(StackedLinear(features, out, tasks, at.at("read", i), rectified=True))
            if i:
                self.carry.append(StackedLinear(features, out, tasks, at.at("carry", i), rectified=True))
            self.mask.append(StackedLinear(out, out, tasks, at.at("mask", i)))
        self.dropout = Dropout(options.dropout)
        self.width = sizes[-1]

    def own_parameters(self) -> Iterator[nn.Parameter]:
        return chain(*(part.parameters() for part in (self.read, self.carry, self.mask)))

    def forward(self, x: Tensor, picks: Picks | None, z: Tensor | None) -> Tensor:
        attended = x
        for i, (shared, read, mask) in enumerate(zip(self.shared, self.read, self.mask, strict=True)):
            seen = read(x, picks)
            if i:
                seen = seen + self.carry[i - 1](attended, picks)
            x = self.dropout(shared(x, relu=True))
            attended = torch.sigmoid(mask(torch.relu(seen), picks)) * x
        return attended
