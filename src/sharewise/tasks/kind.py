"""Kind: what sort of label a task has. All losses are negative log likelihoods, so they can be added."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sharewise.tasks.metrics import Effect

Array = NDArray[np.float64]


class Kind(ABC):
    """What sort of label a task has.

    Predictions are outputs behind the link: probabilities, or a mean. Metrics take predictions and targets
    in the label's unit, as float64 arrays of observed rows with weights.
    """

    name: ClassVar[str]
    #: The metric that verdicts use; larger is better.
    primary: ClassVar[str]
    #: Labels are standardised on the training split, and predictions given back in the label's unit.
    standardised: ClassVar[bool] = False
    #: Labels are categories with a fitted list of classes.
    categorical: ClassVar[bool] = False

    def width(self, classes: int) -> int:
        """Outputs of the network for one task; `classes` is 0 except for categorical kinds."""
        return 1

    @abstractmethod
    def loss(
        self, outputs: Float[Tensor, "*batch width"], targets: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Negative log likelihood of each target, up to a constant of the data, not reduced."""

    def slope(
        self, outputs: Float[Tensor, "*batch width"], targets: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch width"]:
        """Return the derivative of every loss by its outputs, itself differentiable."""
        if torch.compiler.is_compiling():
            found: Tensor = torch.func.grad(lambda o: self.loss(o, targets).sum())(outputs)
            return found
        graph = torch.is_grad_enabled() and outputs.requires_grad
        with torch.enable_grad():
            point = outputs if graph else outputs.detach().requires_grad_()
            (found,) = torch.autograd.grad(self.loss(point, targets).sum(), point, create_graph=graph)
        return found

    @abstractmethod
    def link(self, outputs: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        """Map outputs to predictions."""

    def pool(self, outputs: Float[Tensor, "members *batch width"]) -> Float[Tensor, "*batch width"]:
        """Return outputs whose prediction is the mean of the members' predictions.

        This is the mean of outputs where the link is the identity; a kind with another link overrides it.
        """
        return outputs.mean(0)

    def constant(self, targets: Float[Tensor, " rows"], weights: Float[Tensor, " rows"]) -> Tensor:
        """Return the outputs `[width]` of the best constant predictor, by minimising the loss numerically.

        The width is taken from the largest target for categorical kinds.
        """
        classes = int(targets.max().item()) + 1 if self.categorical else 0
        outputs = torch.zeros(self.width(classes), dtype=torch.float64, requires_grad=True)
        solver = torch.optim.LBFGS([outputs], max_iter=100, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            solver.zero_grad()
            rows = outputs.expand(len(targets), -1)
            loss = (weights.double() * self.loss(rows, targets.double())).sum() / weights.double().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        with torch.enable_grad():
            solver.step(closure)  # type: ignore[no-untyped-call]
        return outputs.detach().float()

    def problem(self, targets: Array) -> str | None:
        """Return what is wrong with observed labels (before standardisation), or None."""
        return None

    @abstractmethod
    def effect(self, predictions: Array, targets: Array, weights: Array) -> Effect:
        """Return the primary metric with its per-row influence; predictions are `[rows, width]`."""

    def metrics(self, predictions: Array, targets: Array, weights: Array) -> dict[str, float]:
        """Return named metrics in the label's unit, the primary one among them."""
        return {self.primary: self.effect(predictions, targets, weights).value}

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name}
