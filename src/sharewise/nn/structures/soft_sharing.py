"""Soft sharing: networks of their own whose parameters are pulled together."""

from __future__ import annotations

from itertools import chain
from typing import ClassVar

import torch
from torch import Tensor

from sharewise.nn.encoders import Encoder
from sharewise.nn.sharing import Setting, Traits
from sharewise.nn.structures.independent import Independent


class SoftSharing(Independent):
    """+ λ Σₜ ‖θᵗ - mean θ‖² ("mean"), or + λ Σ_{t<t'} ‖θᵗ - θᵗ'‖² ("pairwise"; Duong et al. 2015).

    θᵗ is the task's encoder and hidden layers; towers and heads are free. The pairwise sum is T times the sum
    to the mean, so neither costs more than reading the parameters. For one task it is zero.
    """

    traits: ClassVar[Traits] = Traits(shares_encoder=False, soft=True)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        pairwise = setting.options.soft_to == "pairwise"
        self.factor = setting.options.soft * (len(setting.tasks) if pairwise else 1)

    def penalty(self, encoder: Encoder) -> Tensor:
        own = (parameter.flatten(1) for parameter in self.nets.parameters())
        spread = [(p - p.mean(0)).square().sum() for p in chain(encoder.per_copy(), own)]
        return self.factor * torch.stack(spread).sum()
