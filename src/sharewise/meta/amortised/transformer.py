"""A transformer that reads a data set and predicts: the mechanistic view taken at its word."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from sharewise.data.episodes import Shots
from sharewise.errors import ConfigError
from sharewise.meta.amortised.amortised import Amortised
from sharewise.meta.amortised.attentive import Attention
from sharewise.meta.learner import Forecast, Spec
from sharewise.meta.nets import MLP
from sharewise.nn.initial import Initial


class Read(NamedTuple):
    """The support tokens before every layer."""

    tokens: list[Tensor]
    mask: Tensor | None


class SetTransformer(Amortised[Read]):
    """Rows are tokens; support tokens hold x and y, query tokens x alone; every token attends to the support
    tokens only, so that queries do not see each other (prior-data fitted networks: Müller et al. 2022,
    "Transformers Can Do Bayesian Inference"). Deviations: numbers are predicted as a Gaussian, where the
    paper has a histogram, and the tasks are those that one has, where it draws them from a prior.

    No token has a place, so the order of the support set does not matter.

    Args:
        depth: layers, each attention and then a perceptron, with normalisation before and a sum after.
        heads: of the attention.
        options: of `Amortised`; `width` is that of the tokens.
    """

    def __init__(
        self, spec: Spec, *, seed: int = 0, width: int = 64, depth: int = 3, heads: int = 4, **options: Any
    ) -> None:
        super().__init__(spec, seed=seed, width=width, **options)
        if depth < 1 or heads < 1 or width % heads:
            raise ConfigError(
                f"The transformer has depth = {depth}, and {heads} heads for a width of {width}.",
                "Use at least one layer, and heads that divide the width.",
            )
        initial = Initial(seed, ("transformer",))
        self.encoder = MLP(self.size, (width, width), initial.at("x"))
        self.labels = MLP(self.label_size, (width, width), initial.at("y"))
        self.layers = nn.ModuleList(_Layer(width, heads, initial.at("layer", i)) for i in range(depth))
        self.last = nn.LayerNorm(width)
        self.decoder = MLP(width, (width, self.outputs), initial.at("decoder"))

    def read(self, known: Tensor, support: Shots) -> Read:
        tokens = [self.encoder(known) + self.labels(self.labels_of(support))]
        for layer in self.layers[:-1]:
            tokens.append(layer(tokens[-1], tokens[-1], support.mask))
        return Read(tokens, support.mask)

    def answer(self, asked: Tensor, learned: Read) -> Forecast:
        query = self.encoder(asked)
        for layer, tokens in zip(self.layers, learned.tokens, strict=True):
            query = layer(query, tokens, learned.mask)
        return self.forecast(self.decoder(self.last(query)))


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, initial: Initial) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, initial.at("attention"))
        self.perceptron = MLP(width, (4 * width, width), initial.at("perceptron"))

    def forward(self, x: Tensor, read: Tensor, mask: Tensor | None) -> Tensor:
        known = self.before(read)
        x = x + self.attention(self.before(x), known, known, mask)
        found: Tensor = x + self.perceptron(self.between(x))
        return found
