"""Attentive neural process (Kim et al. 2019): its deterministic path."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sharewise.data.episodes import Shots
from sharewise.errors import ConfigError
from sharewise.meta.amortised.neural_process import NeuralProcess
from sharewise.meta.learner import Forecast, Inputs, Predictor, Spec, one_hot
from sharewise.meta.nets import MLP
from sharewise.nn.initial import Initial


class AttentiveProcess(NeuralProcess):
    """A query row attends to the support rows' representations: r*(x) = Σ attention(x, xᵢ) rᵢ (section 3).

    Multi-head cross-attention with keys and queries from a network over x, and self-attention among the
    support rows' representations. The paper's latent path, which makes samples of whole functions, is left
    out: the likelihood of single predictions, by which learners are compared here, does not need it.

    Args:
        heads: of the attention.
        options: of `NeuralProcess`.
    """

    def __init__(self, spec: Spec, *, seed: int = 0, heads: int = 8, **options: Any) -> None:
        super().__init__(spec, seed=seed, **options)
        if heads < 1 or self.width % heads:
            raise ConfigError(f"{heads} heads do not divide a width of {self.width}.", "Use a divisor of it.")
        initial = Initial(seed, ("attention",))
        self.keys = MLP(self.size, (self.width, self.width), initial.at("keys"))
        self.among = Attention(self.width, heads, initial.at("among"))
        self.across = Attention(self.width, heads, initial.at("across"))

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        if self.net.by_support:
            return lambda inputs: self._attend(support, *self.both(support, inputs))
        known = self.features(support.inputs)

        def predict(inputs: Inputs) -> Forecast:
            return self._attend(support, known, self.features(inputs))

        return predict

    def _attend(self, support: Shots, known: Tensor, asked: Tensor) -> Forecast:
        rows = self.encoder(torch.cat([known, one_hot(self.spec, support.targets)], -1))
        rows = rows + self.among(rows, rows, rows, support.mask)
        found = self.across(self.keys(asked), self.keys(known), rows, support.mask)
        return self.forecast(self.decoder(torch.cat([asked, found], -1)))


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017) of rows to the rows of a support set."""

    def __init__(self, width: int, heads: int, initial: Initial) -> None:
        super().__init__()
        self.heads = heads
        bound = width**-0.5
        names = ("query", "key", "value", "out")
        self.weight = nn.ParameterDict(
            {name: nn.Parameter(initial.at(name).uniform(bound, (width, width))) for name in names}
        )

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Attend.

        Args:
            query: ``[tasks, rows, width]``.
            key, value: ``[tasks, support rows, width]``.
            mask: True where there is a support row.
        """
        q, k, v = (
            self._split(x @ self.weight[name].T)
            for x, name in ((query, "query"), (key, "key"), (value, "value"))
        )
        seen = None if mask is None else mask[:, None, None, :]
        found = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        joined: Tensor = found.transpose(1, 2).flatten(2) @ self.weight["out"].T
        return joined

    def _split(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self.heads, -1)).transpose(1, 2)
