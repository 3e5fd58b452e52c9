"""Attentive neural process (Kim et al. 2019): its deterministic path."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sharewise.data.episodes import Shots
from sharewise.errors import ConfigError
from sharewise.meta.amortised.amortised import Amortised
from sharewise.meta.learner import Forecast, Spec
from sharewise.meta.nets import MLP
from sharewise.nn.initial import Initial


class Read(NamedTuple):
    """Keys and representations of the support rows."""

    keys: Tensor
    rows: Tensor
    mask: Tensor | None


class AttentiveProcess(Amortised[Read]):
    """A query row attends to the support rows' representations: r*(x) = Σ attention(x, xᵢ) rᵢ (section 3).

    Multi-head cross-attention with keys and queries from a network over x, and self-attention among the
    support rows' representations. The paper's latent path, which makes samples of whole functions, is left
    out: the likelihood of single predictions, by which learners are compared here, does not need it.

    Weights start with the variance of Glorot and Bengio (2010), as in the published code; biases, 0 there, as
    in other networks here (a column's ReLUs would all bend at 0). Deviation: labels are multiplied by the
    square root of the features' number, to weigh as much as all of them. With smaller weights attention
    starts even, and beside the 64 features of an image a plain 0 or 1 is hardly seen: either way it learns
    late, and with both not in 600 steps.

    Args:
        heads: of the attention.
        options: of `Amortised`.
    """

    def __init__(self, spec: Spec, *, seed: int = 0, heads: int = 8, **options: Any) -> None:
        super().__init__(spec, seed=seed, **options)
        width = self.width
        if heads < 1 or width % heads:
            raise ConfigError(f"{heads} heads do not divide a width of {width}.", "Use a divisor of it.")
        initial = Initial(seed, ("attention",))
        pair, deep = self.size + self.label_size, (width, width, width)
        self.encoder = MLP(pair, deep, initial.at("encoder"), glorot=True)
        self.decoder = MLP(self.size + width, (*deep, self.outputs), initial.at("decoder"), glorot=True)
        self.keys = MLP(self.size, (width, width), initial.at("keys"), glorot=True)
        self.among = Attention(width, heads, initial.at("among"))
        self.across = Attention(width, heads, initial.at("across"))

    def read(self, known: Tensor, support: Shots) -> Read:
        labels = sqrt(self.size) * self.labels_of(support)
        rows = self.encoder(torch.cat([known, labels], -1))
        rows = rows + self.among(rows, rows, rows, support.mask)
        return Read(self.keys(known), rows, support.mask)

    def answer(self, asked: Tensor, learned: Read) -> Forecast:
        found = self.across(self.keys(asked), learned.keys, learned.rows, learned.mask)
        return self.forecast(self.decoder(torch.cat([asked, found], -1)))


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017) of rows to the rows of a support set.

    Weights start with the variance of Glorot and Bengio (2010), 1 / width, as in the processes' published
    code; PyTorch's have half of it or less.
    """

    def __init__(self, width: int, heads: int, initial: Initial) -> None:
        super().__init__()
        self.heads = heads
        bound = sqrt(3 / width)
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
