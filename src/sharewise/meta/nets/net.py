"""Net: a network as a function of its weights, which may differ from task to task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sharewise.data.episodes import Shots
from sharewise.errors import ConfigError, DataError

#: By the names of the network's parameters; each as it is, or stacked with a leading dimension of tasks.
Weights = dict[str, Tensor]
Slope = Callable[[Tensor], Tensor]
#: Stands for the network's input among the names of weights.
INPUT = "input"


class Net(nn.Module, ABC):
    """A network that runs on rows of many tasks, with its own weights or with stacked ones.

    Attributes:
        out_features: of a row.
        head: prefix of the names of the last layer's parameters; "" if there is none apart.
    """

    out_features: int
    head: str = ""
    #: True if a row's features depend on the other rows of its task.
    transductive: bool = False
    #: True if statistics are taken from the support set, which the query rows then have to come with.
    by_support: bool = False
    #: True if a row's features depend on others, be they support rows; then rows that pad a task would count.
    mixes_rows: bool = False
    #: True if matrix products of all tasks stack without loss of speed; convolutions on a CPU do not.
    stacks: bool = True

    @abstractmethod
    def run(self, weights: Mapping[str, Tensor], x: Tensor, reference: int = 0) -> Tensor:
        """Run the network.

        Args:
            weights: replace the network's own parameters of these names; stacked or not.
            x: ``[tasks, rows, ...]``.
            reference: the first rows, so many, are the support set; 0 if all rows are.

        Returns:
            ``[tasks, rows, out_features]``.
        """

    def slopes(
        self, weights: Mapping[str, Tensor], x: Tensor, slope: Slope, wanted: Collection[str]
    ) -> Weights | None:
        """Return the gradient of a loss of the outputs, task by task, in closed form; None if there is none.

        It is made of plain operations, so that it can be differentiated once more without a second graph.

        Args:
            weights: as in `run`.
            x: ``[tasks, rows, ...]``.
            slope: outputs -> the derivative of the loss by them.
            wanted: names of weights, or `INPUT` for the derivative by x.

        Returns:
            ``[tasks, ...]`` by name, stacked even where the weights are not.
        """
        return None

    def forward(self, x: Tensor) -> Float[Tensor, "tasks rows features"]:
        """Run the network with its own weights."""
        return self.run({}, x)

    def weights(self) -> Weights:
        """Return the network's own parameters by name."""
        return dict(self.named_parameters())

    def head_names(self) -> tuple[str, ...]:
        """Return the names of the last layer's parameters."""
        return tuple(name for name, _ in self.named_parameters() if self.head and name.startswith(self.head))


def require_head(net: Net) -> None:
    """Raise ConfigError if a network's last layer is not told from its body."""
    if not net.head_names():
        raise ConfigError(
            "The network has no head apart from its body.",
            "Name its last layer: OwnNet(module, head = 'last').",
        )


def refuse_padding(net: Net, support: Shots) -> None:
    """Raise DataError if statistics over rows would count rows that only pad tasks, or have none to count."""
    if (net.by_support or net.transductive) and not support.rows:
        raise DataError(
            "The network normalises by the support set, which has no rows.",
            "Give at least one shot, or use norm = 'group' or 'none'.",
        )
    if net.mixes_rows and support.mask is not None and not bool(support.mask.all()):
        raise DataError(
            "Tasks with different numbers of examples are padded, and the padding would count in the mean "
            "and variance by which the network normalises.",
            "Give every task as many examples, or use norm = 'group' or 'none'.",
        )


def linear(x: Float[Tensor, "tasks rows into"], weight: Tensor, bias: Tensor) -> Tensor:
    """Apply a linear layer, whose weight is ``[out, into]``, or ``[tasks, out, into]``."""
    if torch.compiler.is_compiling():
        return product(x, weight) + bias.unsqueeze(-2)
    if weight.dim() == 2:
        return torch.nn.functional.linear(x, weight, bias)
    if 1 in weight.shape[1:]:
        return product(x, weight) + bias.unsqueeze(1)
    return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))


def product(x: Float[Tensor, "tasks rows into"], weight: Tensor) -> Float[Tensor, "tasks rows out"]:
    """Return x Wᵀ for a weight ``[out, into]`` or ``[tasks, out, into]``.

    With one input or one output a batched product is all overhead: there it is element by element. A compiler
    makes one loop of that and of what comes before and after, so there it pays for single weights too.
    """
    if weight.dim() == 2 and not (torch.compiler.is_compiling() and 1 in weight.shape):
        return torch.nn.functional.linear(x, weight)
    if weight.shape[-1] == 1:
        return x * weight.squeeze(-1).unsqueeze(-2)
    if weight.shape[-2] == 1:
        return (x * weight).sum(2, keepdim=True)
    return x @ weight.transpose(1, 2)
