"""A transformer that reads a data set and predicts: the mechanistic view taken at its word."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from sharewise.data.episodes import Shots
from sharewise.errors import ConfigError
from sharewise.meta.amortised.attentive import Attention
from sharewise.meta.amortised.neural_process import NeuralProcess
from sharewise.meta.learner import Forecast, Inputs, Predictor, Spec, one_hot
from sharewise.meta.nets import MLP
from sharewise.nn.initial import Initial


class SetTransformer(NeuralProcess):
    """Rows are tokens; support tokens hold x and y, query tokens x alone; every token attends to the support
    tokens only, so that queries do not see each other (prior-data fitted networks: Müller et al. 2022,
    section 3, figure 1).

    No token has a place, so the order of the support set does not matter.

    Args:
        depth: layers, each attention and then a perceptron, with normalisation before and a sum after.
        heads: of the attention.
        options: of `NeuralProcess`; `width` is that of the tokens.
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
        label = spec.width if spec.kind.categorical else 1
        self.encoder = MLP(self.size, (width, width), initial.at("x"))
        self.labels = MLP(label, (width, width), initial.at("y"))
        self.layers = nn.ModuleList(_Layer(width, heads, initial.at("layer", i)) for i in range(depth))
        self.last = nn.LayerNorm(width)
        self.decoder = MLP(width, (width, spec.width + int(self.gaussian)), initial.at("decoder"))

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        if self.net.by_support:
            return lambda inputs: self._read(support, *self.both(support, inputs))
        known = self.features(support.inputs)

        def predict(inputs: Inputs) -> Forecast:
            return self._read(support, known, self.features(inputs))

        return predict

    def _read(self, support: Shots, known: Tensor, asked: Tensor) -> Forecast:
        read = self.encoder(known) + self.labels(one_hot(self.spec, support.targets))
        query = self.encoder(asked)
        for layer in self.layers:
            query = layer(query, read, support.mask)
            read = layer(read, read, support.mask)
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
