"""A multilayer perceptron whose weights may differ from task to task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import sqrt
from typing import cast

import torch
from torch import Tensor, nn

from sharewise.meta.nets.net import INPUT, Net, Slope, Weights, linear, product
from sharewise.nn.initial import Initial


class MLP(Net):
    """Linear layers with ReLU between them, stacked by batched products.

    Args:
        features: inputs of a row.
        widths: outputs of each layer; the last has no ReLU.
        initial: source of initial values, U(-1, 1) / sqrt(inputs) as torch has them. With those of He et al.
            (2015), larger by √6, MAML's sinusoids diverge after more steps than were trained.
        rectify_last: the last layer has a ReLU too; then there is no head apart.
        glorot: weights are from U(-1, 1) √(6 / (inputs + outputs)) instead (Glorot and Bengio 2010).
    """

    def __init__(
        self,
        features: int,
        widths: Sequence[int],
        initial: Initial,
        rectify_last: bool = False,
        glorot: bool = False,
    ) -> None:
        super().__init__()
        sizes = [features, *widths]
        self.out_features, self.depth, self.rectify_last = sizes[-1], len(widths), rectify_last
        self.layers = nn.ModuleList()
        for i, (into, out) in enumerate(zip(sizes, widths, strict=False)):
            self.layers.append(Layer(into, out, initial.at(i), glorot))
        self.head = f"layers.{self.depth - 1}." if widths and not rectify_last else ""

    def run(self, weights: Mapping[str, Tensor], x: Tensor, reference: int = 0) -> Tensor:
        for i in range(self.depth):
            x = linear(x, *self._layer(i, weights))
            if self.rectify_last or i + 1 < self.depth:
                x = torch.relu(x)
        return x

    def slopes(
        self, weights: Mapping[str, Tensor], x: Tensor, slope: Slope, wanted: Collection[str]
    ) -> Weights:
        inputs, own = [], []
        for i in range(self.depth):
            weight, bias = self._layer(i, weights)
            inputs.append(x)
            own.append(weight)
            x = linear(x, weight, bias)
            if self.rectify_last or i + 1 < self.depth:
                x = torch.relu(x)
        found = slope(x)
        return self._back(inputs, own, found * (x > 0) if self.rectify_last else found, wanted)

    def _layer(self, i: int, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        layer = cast(Layer, self.layers[i])
        weight = weights.get(f"layers.{i}.weight", layer.weight)
        return weight, weights.get(f"layers.{i}.bias", layer.bias)

    def _back(
        self, inputs: list[Tensor], own: list[Tensor], slope: Tensor, wanted: Collection[str]
    ) -> Weights:
        """Go back through the layers from the derivative by the outputs."""
        found: Weights = {}
        for i in reversed(range(self.depth)):
            x, weight = inputs[i], own[i]
            if f"layers.{i}.weight" in wanted:
                found[f"layers.{i}.weight"] = _outer(slope, x)
            if f"layers.{i}.bias" in wanted:
                found[f"layers.{i}.bias"] = slope.sum(1)
            if not any(name == INPUT or name not in found for name in wanted):
                return found
            # A ReLU's derivative is 1 where its result is positive; it has none of its own.
            slope = product(slope, weight.transpose(-1, -2))
            if i:
                slope = slope * (x > 0)
        found[INPUT] = slope
        return found


def _outer(slope: Tensor, x: Tensor) -> Tensor:
    """Return the sum over rows of slope ⊗ x: ``[tasks, out, into]``."""
    if slope.shape[2] == 1 or x.shape[2] == 1:
        return (slope.unsqueeze(3) * x.unsqueeze(2)).sum(1)
    return slope.transpose(1, 2) @ x


class Layer(nn.Module):
    """The parameters of a linear layer."""

    weight: nn.Parameter
    bias: nn.Parameter

    def __init__(self, into: int, out: int, initial: Initial, glorot: bool = False) -> None:
        super().__init__()
        bound = max(into, 1) ** -0.5
        spread = sqrt(6 / (into + out)) if glorot else bound
        self.weight = nn.Parameter(initial.at("weight").uniform(spread, (out, into)))
        self.bias = nn.Parameter(initial.at("bias").uniform(bound, (out,)))
