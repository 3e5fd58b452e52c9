"""Pooled: one network trained on the rows of all tasks as if they were one; fine-tuned: and then adapted."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from sharewise.data.episodes import Episodes, Shots
from sharewise.errors import DataError
from sharewise.meta.baselines.scratch import adam
from sharewise.meta.gradient.descent import GradientLearner
from sharewise.meta.learner import Forecast, Inputs, Judged, Learner, Predictor, Spec
from sharewise.meta.metric.prototypes import as_outputs, count_ways, prototypes, squared_distances
from sharewise.meta.nets import MLP, NetOptions, Weights
from sharewise.meta.nets.net import Net, refuse_padding, require_head
from sharewise.nn.initial import Initial


class Pooled(GradientLearner):
    """One network for all tasks, which ignores the support set.

    Where classes are drawn anew for every task, labels mean nothing across tasks: there it is a classifier of
    all training classes, whose features are compared with the support set's class means afterwards (the
    baseline of Chen et al. 2019, "A Closer Look at Few-shot Classification", without its fine-tuning).

    Args:
        options: of `GradientLearner`.
    """

    stepwise = False
    unrolls: ClassVar[bool] = False

    def __init__(
        self,
        spec: Spec,
        *,
        seed: int = 0,
        net: NetOptions | Net = NetOptions(),
        steps: int = 0,
        rate: float = 0.01,
        **options: Any,
    ) -> None:
        super().__init__(spec, seed=seed, net=net, steps=steps, rate=rate, second_order=False, **options)
        self.classifier: MLP | None = None
        if spec.classes:
            require_head(self.net)
            features = self.net.get_parameter(f"{self.net.head}weight").shape[1]
            self.classifier = MLP(features, (spec.classes,), Initial(seed, ("classes",)))

    def judge(self, episodes: Episodes) -> Judged:
        if not torch.is_grad_enabled():
            return Learner.judge(self, episodes)
        # Support and query rows alike train the network: there is nothing to keep apart yet.
        rows = episodes.support.beside(episodes.query)
        refuse_padding(self.net, rows)
        if self.classifier is None:
            losses = self.losses(Forecast(self.run({}, self.reader(rows.inputs))), rows)
            return Judged(losses, losses)
        if episodes.classes is None:
            raise DataError(
                "Episodes do not tell which classes they are made of.", "Draw them from labelled examples."
            )
        losses = (self._classify(rows, episodes.classes) * rows.weights).sum(1)
        return Judged(losses, losses)

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        if self.classifier is None:
            return self.predictor({}, support)
        return self._nearest(support)

    def features(self, x: Tensor, reference: int = 0) -> Tensor:
        """Return what the network's head would see."""
        return self.net.run(self._without_head(), x, reference)

    def _without_head(self) -> Weights:
        weight = self.net.get_parameter(f"{self.net.head}weight")
        size = weight.shape[1]
        eye = torch.eye(size, dtype=weight.dtype, device=weight.device)
        return {f"{self.net.head}weight": eye, f"{self.net.head}bias": weight.new_zeros(size)}

    def _classify(self, part: Shots, classes: Tensor) -> Tensor:
        assert self.classifier is not None
        outputs = self.classifier(self.features(self.reader(part.inputs)))
        return self.spec.kind.loss(outputs, classes.gather(1, part.known.long()).to(part.targets.dtype))

    def _nearest(self, support: Shots) -> Predictor:
        refuse_padding(self.net, support)

        def predict(inputs: Inputs) -> Forecast:
            x = torch.cat([self.reader(support.inputs), self.reader(inputs)], 1)
            found = torch.nn.functional.normalize(self.features(x, support.rows), dim=-1)
            known, asked = found[:, : support.rows], found[:, support.rows :]
            centres = prototypes(known, support, count_ways(support))
            scores = -10.0 * squared_distances(asked, centres)
            return Forecast(as_outputs(scores, self.spec.kind.categorical))

        return predict


class FineTuned(Pooled):
    """The pooled network, all of whose weights then take `steps` of Adam on the support set.

    Where classes are drawn anew for every task, the head starts anew too.

    Args:
        steps: of fine-tuning.
        rate: their learning rate.
        options: of `GradientLearner`.
    """

    stepwise = True

    def __init__(self, spec: Spec, *, steps: int = 20, rate: float = 0.003, **options: Any) -> None:
        super().__init__(spec, steps=steps, rate=rate, **options)

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        start = self.start(len(support))
        return self.predictor(adam(self, start, support, self.count(steps), self.rate)[-1], support)
