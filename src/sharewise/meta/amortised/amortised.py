"""What learners share that read the support set by a network: labels as inputs, Gaussians as outputs."""

from __future__ import annotations

from typing import Generic

from torch import Tensor
from torch.nn import functional as F

from sharewise.data.episodes import Shots
from sharewise.errors import ConfigError
from sharewise.meta.features import FeatureLearner, Learned
from sharewise.meta.learner import Forecast, Spec, one_hot
from sharewise.meta.nets import NetOptions
from sharewise.meta.nets.net import Net


class Amortised(FeatureLearner[Learned], Generic[Learned]):
    """Reads pairs (x, y) by a network. Images are read by convolutions first, columns as they are.

    Of a number the prediction is a Gaussian with σ = 0.1 + 0.9 softplus(·), as in the published code of the
    neural processes; `floor` is that 0.1.

    Args:
        spec: the episodes.
        seed: of the initial weights.
        net: what the network before is made of.
        width: of the representations.
        floor: least standard deviation, in standardised units.
    """

    traceable = True
    from_nothing = True

    def __init__(
        self,
        spec: Spec,
        *,
        seed: int = 0,
        net: NetOptions | Net = NetOptions(),
        width: int = 128,
        floor: float = 0.1,
    ) -> None:
        if width < 1 or not 0 < floor < 1:
            raise ConfigError(
                f"The learner has width = {width} and floor = {floor}.",
                "Use a width of at least 1, and a least deviation between 0 and 1.",
            )
        super().__init__(spec, seed=seed, net=net)
        # Columns need no features of their own before they are read.
        if isinstance(net, NetOptions) and len(self.reader.shape) == 1:
            self.net = _Plain(self.reader.shape[0])
        self.width, self.floor = width, floor
        self.gaussian = spec.kind.name == "regression"

    @property
    def label_size(self) -> int:
        """Numbers that tell a label."""
        return self.spec.width if self.spec.kind.categorical else 1

    @property
    def outputs(self) -> int:
        """Numbers that tell a prediction."""
        return self.spec.width + int(self.gaussian)

    def labels_of(self, support: Shots) -> Tensor:
        """Return the labels as inputs ``[tasks, rows, label_size]``."""
        return one_hot(self.spec, support.known)

    def forecast(self, outputs: Tensor) -> Forecast:
        """Return a network's outputs ``[tasks, rows, outputs]`` as a forecast."""
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
