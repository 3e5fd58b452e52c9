"""Conditional neural process (Garnelo et al. 2018)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from sharewise.data.episodes import Shots
from sharewise.meta.features import FeatureLearner
from sharewise.meta.learner import Forecast, Inputs, Predictor, Spec, one_hot
from sharewise.meta.nets import MLP, NetOptions
from sharewise.meta.nets.net import Net
from sharewise.nn.initial import Initial


class NeuralProcess(FeatureLearner):
    """r = mean of h(xᵢ, yᵢ) over the support set; predictions g(x, r) (equations 1 to 3).

    Of a number the prediction is a Gaussian with σ = 0.1 + 0.9 softplus(·), as in the published code; `floor`
    is that 0.1. Images are read by convolutions first.

    Args:
        width: of the representation r and of the hidden layers.
        floor: least standard deviation, in standardised units.
        options: of `FeatureLearner`.
    """

    traceable = True

    def __init__(
        self,
        spec: Spec,
        *,
        seed: int = 0,
        net: NetOptions | Net = NetOptions(),
        width: int = 128,
        floor: float = 0.1,
        **options: Any,
    ) -> None:
        super().__init__(spec, seed=seed, net=net, **options)
        if len(self.reader.shape) == 1:  # columns need no features of their own before they are read
            self.net = _Plain(self.reader.shape[0])
        self.width, self.floor = width, floor
        initial = Initial(seed, ("process",))
        self.gaussian = spec.kind.name == "regression"
        label = spec.width if spec.kind.categorical else 1
        outputs = spec.width + int(self.gaussian)
        self.encoder = MLP(self.size + label, (width, width, width), initial.at("encoder"))
        self.decoder = MLP(self.size + width, (width, width, width, outputs), initial.at("decoder"))

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        if self.net.by_support:

            def together(inputs: Inputs) -> Forecast:
                known, asked = self.both(support, inputs)
                return self.decode(asked, self.represent(known, support))

            return together
        known = self.represent(self.features(support.inputs), support)
        return lambda inputs: self.decode(self.features(inputs), known)

    def represent(self, features: Tensor, support: Shots) -> Float[Tensor, "tasks width"]:
        """Return r, the mean over the support set."""
        rows: Tensor = self.encoder(torch.cat([features, one_hot(self.spec, support.targets)], -1))
        return (rows * support.weights.unsqueeze(-1)).sum(1)

    def decode(self, features: Tensor, known: Float[Tensor, "tasks width"]) -> Forecast:
        """Return predictions for query features."""
        beside = known.unsqueeze(1).expand(-1, features.shape[1], -1)
        return self.forecast(self.decoder(torch.cat([features, beside], -1)))

    def forecast(self, outputs: Tensor) -> Forecast:
        """Return the decoder's outputs as a forecast."""
        if not self.gaussian:
            return Forecast(outputs)
        deviation = self.floor + (1 - self.floor) * F.softplus(outputs[..., 1])
        return Forecast(outputs[..., :1], deviation.square())


class _Plain(Net):
    """Rows as they are."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.out_features = features

    def run(self, weights: object, x: Tensor, reference: int = 0) -> Tensor:
        return x
