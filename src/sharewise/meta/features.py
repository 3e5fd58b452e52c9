"""Features: rows through one network that all tasks share; all episodes in one forward pass."""

from __future__ import annotations

import torch
from torch import Tensor

from sharewise.data.episodes import Shots
from sharewise.meta.learner import Inputs, Learner, Spec
from sharewise.meta.nets import InputReader, NetOptions, make_net
from sharewise.meta.nets.net import Net
from sharewise.nn.initial import Initial


class FeatureLearner(Learner):
    """A learner whose network gives features, and is the same for all tasks.

    Args:
        spec: the episodes.
        seed: of the initial weights.
        net: what the network is made of, or a network of one's own.
    """

    def __init__(self, spec: Spec, *, seed: int = 0, net: NetOptions | Net = NetOptions()) -> None:
        super().__init__(spec)
        options = net if isinstance(net, NetOptions) else NetOptions()
        self.reader = InputReader(spec.inputs, options.parts(), Initial(seed, ("reader",)))
        self.net = (
            net
            if isinstance(net, Net)
            else make_net(self.reader.shape, options, None, Initial(seed, ("net",)), adapted=False)
        )

    @property
    def transductive(self) -> bool:
        return self.net.transductive

    @property
    def size(self) -> int:
        """Features of a row."""
        return self.net.out_features

    def features(self, inputs: Inputs) -> Tensor:
        """Return ``[tasks, rows, size]``."""
        found: Tensor = self.net.run({}, self.reader(inputs))
        return found

    def both(self, support: Shots, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the features of support and query rows, from one forward pass."""
        x = torch.cat([self.reader(support.inputs), self.reader(inputs)], 1)
        found = self.net.run({}, x, support.rows)
        return found[:, : support.rows], found[:, support.rows :]
