"""CAVIA (Zintgraf et al. 2019, "Fast Context Adaptation via Meta-Learning")."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sharewise.data.episodes import Shots
from sharewise.errors import ConfigError
from sharewise.meta.gradient.descent import GradientLearner
from sharewise.meta.learner import Spec
from sharewise.meta.nets import ConvNet, NetOptions, Weights
from sharewise.meta.nets.net import INPUT, Net

CONTEXT = "context"


class CAVIA(GradientLearner):
    """Only a small context φ adapts to a task, from 0; the network θ that reads it is shared (equations 4,
    5).

    For columns the context is concatenated to the input; for images it scales and shifts the channels of the
    third block (FiLM), as in the paper's sections 3.3 and 5.

    Args:
        context: numbers of the context.
        options: of `GradientLearner`; the network is made of `NetOptions`.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        context: int = 5,
        rate: float = 1.0,
        net: NetOptions | Net = NetOptions(),
        **options: Any,
    ) -> None:
        if context < 1:
            raise ConfigError(f"CAVIA has a context of {context} numbers.", "Use at least 1.")
        if not isinstance(net, NetOptions):
            raise ConfigError("CAVIA builds its own network around the context.", "Give NetOptions.")
        self.context = context
        super().__init__(spec, net=net, rate=rate, **options)

    def start(self, tasks: int) -> Weights:
        like = next(self.net.parameters())
        context = like.new_zeros(tasks, self.context)
        # Without a graph behind them the steps need something to differentiate by.
        return {CONTEXT: context.requires_grad_() if not torch.compiler.is_compiling() else context}

    def slopes(self, fast: Weights, x: Tensor, support: Shots) -> Weights | None:
        if isinstance(self.net, ConvNet):
            return None
        found = self.net.slopes({}, self._beside(x, fast[CONTEXT]), self._slope(support), (INPUT,))
        return None if found is None else {CONTEXT: found[INPUT][..., x.shape[-1] :].sum(1)}

    def run(self, fast: Weights, x: Tensor, reference: int = 0) -> Tensor:
        context = fast[CONTEXT]
        if isinstance(self.net, ConvNet):
            return self.net.run({}, x, reference, context)
        return self.net.run({}, self._beside(x, context))

    @staticmethod
    def _beside(x: Tensor, context: Tensor) -> Tensor:
        return torch.cat([x, context.unsqueeze(1).expand(-1, x.shape[1], -1)], -1)
