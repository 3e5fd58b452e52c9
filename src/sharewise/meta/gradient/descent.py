"""The inner loop: fast weights, stacked over tasks, that take gradient steps on their support sets.

Tasks do not touch each other in it, so the gradient of the *sum* of their losses is each one's own gradient,
stacked: no loop over tasks, and no `vmap`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from sharewise.data.episodes import Shots
from sharewise.errors import ConfigError
from sharewise.meta.learner import Forecast, Inputs, Learner, Predictor, Spec
from sharewise.meta.nets import InputReader, NetOptions, Weights, make_net, options_of_net
from sharewise.meta.nets.net import Net, Slope, refuse_padding
from sharewise.nn.initial import Initial


class GradientLearner(Learner):
    """Adapts by steps of gradient descent on the support set, from where all tasks start.

    What a subclass changes: which weights are `fast`, how a `step` goes, and what is `judged`.

    Args:
        spec: the episodes.
        seed: of the initial weights.
        net: what the network is made of, or a network of one's own (`sharewise.meta.OwnNet`).
        steps: gradient steps in training, and by default afterwards.
        rate: their size, on the negative log likelihood. For numbers that is half the squared error, so it is
            twice that of a paper that goes down the squared error.
        second_order: differentiate through the steps; without, their gradients count as constants.
    """

    stepwise = True
    traceable = True
    from_nothing = True
    #: False where there are no steps to differentiate through: then `second_order` is no option.
    unrolls: ClassVar[bool] = True
    #: Size of a task's context, for learners that adapt that.
    context: int = 0

    def __init__(
        self,
        spec: Spec,
        *,
        seed: int = 0,
        net: NetOptions | Net = NetOptions(),
        steps: int = 1,
        rate: float = 0.01,
        second_order: bool = True,
    ) -> None:
        super().__init__(spec)
        if steps < 0:
            raise ConfigError(f"A learner takes {steps} steps.", "Use a whole number from 0 on.")
        if not 0 < rate < float("inf"):
            raise ConfigError(f"The inner learning rate is {rate}.", "Use a positive number.")
        options = options_of_net(net)
        self.reader = InputReader(spec.inputs, options.parts(), Initial(seed, ("reader",)))
        self.net = (
            net
            if isinstance(net, Net)
            else make_net(
                self.reader.shape, options, spec.width, Initial(seed, ("net",)), True, context=self.context
            )
        )
        if self.net.out_features != spec.width:
            raise ConfigError(
                f"The network gives {self.net.out_features} outputs, but the labels need {spec.width}.",
                "Change its last layer.",
            )
        self.steps, self.rate, self.second_order = steps, rate, second_order

    @property
    def transductive(self) -> bool:
        return self.net.transductive

    def start(self, tasks: int) -> Weights:
        """Return the weights that steps change, as all tasks start: here all of the network's."""
        return self.net.weights()

    def step(self, fast: Weights, gradient: Weights, number: int) -> Weights:
        """Return the weights after the step with this number."""
        return {name: value - self.rate * gradient[name] for name, value in fast.items()}

    def run(self, fast: Weights, x: Tensor, reference: int = 0) -> Tensor:
        """Run the network with fast weights on rows as the reader gives them."""
        return self.net.run(fast, x, reference)

    def penalty(self, fast: Weights) -> Tensor | None:
        """Return what is added to the sum of the tasks' inner losses; None for nothing."""
        return None

    def inner(self, fast: Weights, x: Tensor, support: Shots) -> Tensor:
        """Return the sum over tasks of the loss that the steps go down."""
        losses = self.spec.kind.loss(self.run(fast, x), support.known)
        total: Tensor = (losses * support.weights).sum()
        extra = self.penalty(fast)
        return total if extra is None else total + extra

    def slopes(self, fast: Weights, x: Tensor, support: Shots) -> Weights | None:
        """Return the inner loss's gradient in closed form, stacked; None if there is none."""
        if type(self).inner is not GradientLearner.inner or type(self).penalty is not GradientLearner.penalty:
            return None
        return self.net.slopes(fast, x, self._slope(support), tuple(fast))

    def _slope(self, support: Shots) -> Slope:
        """Return the function from outputs to the derivative of the inner loss by them."""
        kind, weights, targets = self.spec.kind, support.weights, support.known

        def slope(outputs: Tensor) -> Tensor:
            return kind.slope(outputs, targets) * weights.unsqueeze(-1)

        return slope

    def trajectory(self, support: Shots, steps: int, second_order: bool) -> list[Weights]:
        """Return the fast weights after 0, 1, ... steps."""
        refuse_padding(self.net, support)
        x = self.reader(support.inputs)
        if not second_order:
            x = x.detach()
        found = [self.start(len(support))]
        for number in range(steps):
            found.append(self.step(found[-1], self.gradient(found[-1], x, support, second_order), number))
        return found

    def gradient(self, fast: Weights, x: Tensor, support: Shots, second_order: bool) -> Weights:
        """Return the gradient of the tasks' inner losses at the fast weights."""
        with torch.set_grad_enabled(second_order):
            closed = self.slopes(fast, x, support)
        if closed is not None:
            return closed
        # The gradient of each task apart needs weights for each.
        point = self.stacked(fast, len(support))
        return gradients(lambda weights: self.inner(weights, x, support), point, second_order)

    def stacked(self, fast: Weights, tasks: int) -> Weights:
        """Return fast weights with their leading dimension of tasks, whether they had one or not."""
        own = self.net.weights()
        return {
            name: value.expand(tasks, *value.shape)
            if name in own and value.dim() == own[name].dim()
            else value
            for name, value in fast.items()
        }

    def adapted(self, support: Shots, steps: int | None = None) -> Weights:
        """Return the fast weights after the steps."""
        unrolled = self.second_order and torch.is_grad_enabled()
        return self.trajectory(support, self.count(steps), unrolled)[-1]

    def count(self, steps: int | None) -> int:
        """Return how many steps to take: those asked for, or as many as in training."""
        if steps is not None and steps < 0:
            raise ConfigError(f"A learner was asked for {steps} steps.", "Use a whole number from 0 on.")
        return self.steps if steps is None else steps

    def adapt(self, support: Shots, steps: int | None = None) -> Predictor:
        return self.predictor(self.adapted(support, steps), support)

    def predictor(self, fast: Weights, support: Shots) -> Predictor:
        """Return the predictor with these weights."""
        if self.net.by_support:
            refuse_padding(self.net, support)

        def predict(inputs: Inputs) -> Forecast:
            x = self.reader(inputs)
            if not self.net.by_support:
                return Forecast(self.run(fast, x))
            rows = support.rows
            return Forecast(self.run(fast, torch.cat([self.reader(support.inputs), x], 1), rows)[:, rows:])

        return predict


def gradients(loss: Callable[[Weights], Tensor], fast: Weights, second_order: bool) -> Weights:
    """Return the gradient of a loss at the fast weights; a constant unless of second order."""
    if torch.compiler.is_compiling():  # autograd.grad cannot be traced, func.grad can
        point = fast if second_order else {name: value.detach() for name, value in fast.items()}
        found: Weights = torch.func.grad(loss)(point)
        return found if second_order else {name: value.detach() for name, value in found.items()}
    with torch.enable_grad():
        point = fast
        if not second_order:
            point = {name: value.detach().requires_grad_() for name, value in fast.items()}
        each = torch.autograd.grad(loss(point), list(point.values()), create_graph=second_order)
    return dict(zip(point, each, strict=True))
