"""Features: rows through one network that all tasks share; all episodes in one forward pass.

What is learned of a task is what a subclass's `read` makes of the support set's features: prototypes, a ridge
regression's weights, a posterior, a representation. `answer` uses it for query rows.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.data.episodes import Episodes, Shots
from sharewise.meta.learner import Forecast, Inputs, Judged, Learner, Predictor, Spec
from sharewise.meta.nets import InputReader, NetOptions, make_net, options_of_net
from sharewise.meta.nets.net import Net, refuse_padding
from sharewise.nn.initial import Initial

#: What `read` returns.
Learned = TypeVar("Learned")


class FeatureLearner(Learner, Generic[Learned]):
    """A learner whose network gives features, and is the same for all tasks.

    Args:
        spec: the episodes.
        seed: of the initial weights.
        net: what the network is made of, or a network of one's own.
    """

    def __init__(self, spec: Spec, *, seed: int = 0, net: NetOptions | Net = NetOptions()) -> None:
        super().__init__(spec)
        options = options_of_net(net)
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

    @abstractmethod
    def read(self, known: Float[Tensor, "tasks rows size"], support: Shots) -> Learned:
        """Learn from the features of the support sets."""

    @abstractmethod
    def answer(self, asked: Float[Tensor, "tasks rows size"], learned: Learned) -> Forecast:
        """Predict for the features of query rows."""

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        refuse_padding(self.net, support)
        if self.net.by_support or self.net.transductive:  # normalised by statistics of both, or the support's
            return lambda inputs: self._together(support, inputs)
        learned = self.read(self.features(support.inputs), support)
        return lambda inputs: self.answer(self.features(inputs), learned)

    def judge(self, episodes: Episodes) -> Judged:
        refuse_padding(self.net, episodes.support)
        # One forward pass for both: faster, and batch statistics are of both, as in the published code.
        losses = self.losses(self._together(episodes.support, episodes.query.inputs), episodes.query)
        return Judged(losses, losses)

    def _together(self, support: Shots, inputs: Inputs) -> Forecast:
        known, asked = self.both(support, inputs)
        return self.answer(asked, self.read(known, support))

    def both(self, support: Shots, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the features of support and query rows, from one forward pass."""
        x = torch.cat([self.reader(support.inputs), self.reader(inputs)], 1)
        found = self.net.run({}, x, support.rows)
        return found[:, : support.rows], found[:, support.rows :]
