"""The interface of a sharing structure: features of a row -> what each task's head reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from sharewise.nn.encoders import Encoder
from sharewise.nn.initial import Initial
from sharewise.nn.picks import Picks
from sharewise.nn.settings import PartOptions


@dataclass(frozen=True)
class Traits:
    """What a structure can do; the contract suite holds it to each, both ways.

    Attributes:
        shares_encoder: one encoder for all tasks; otherwise each task has a copy of its own.
        conditional: reads the descriptor z, so that it can predict for tasks that it was not trained on.
        gated: mixes experts by weights that `MultiTaskModel.gates` reports.
        soft: has a penalty on the distance between tasks' parameters.
        reads_all: a row goes through every task's network, even if it belongs to one task.
    """

    shares_encoder: bool = True
    conditional: bool = False
    gated: bool = False
    soft: bool = False
    reads_all: bool = False


@dataclass(frozen=True)
class Setting:
    """What a structure is built from.

    Attributes:
        features: width of the encoder's output.
        tasks: names of the tasks; their parameters' initial values depend on the names.
        size: length of the descriptor; None if it is the index.
        options: widths, experts and the rest.
        initial: source of initial values.
    """

    features: int
    tasks: tuple[str, ...]
    size: int | None
    options: PartOptions
    initial: Initial


class Sharing(nn.Module, ABC):
    """A sharing structure.

    Attributes:
        traits: what it can do.
        width: features of the representation.
    """

    traits: ClassVar[Traits] = Traits()
    width: int
    #: Set while `parting` will be asked for: then a forward pass keeps what that needs.
    keeps: bool = False

    @abstractmethod
    def forward(self, x: Tensor, picks: Picks | None, z: Tensor | None) -> Tensor:
        """Return the representation.

        Args:
            x: the encoder's output: ``[rows, features]``; joint rows of structures that do not share the
                encoder ``[tasks, rows, features]``.
            picks: each row's task; None for joint rows, which are for every task.
            z: descriptors, ``[tasks, size]`` for joint and ``[rows, size]`` for disjoint rows; None for the
                index.

        Returns:
            ``[rows, width]`` if it is the same for all tasks, or rows are disjoint; else ``[tasks, rows,
            width]``.
        """

    def gate_weights(self, x: Tensor, picks: Picks | None) -> Float[Tensor, "tasks experts"] | None:
        """Return every task's mean weight of every expert over these rows, or None if nothing is gated."""
        return None

    def penalty(self, encoder: Encoder) -> Tensor | None:
        """Return what is added to the loss, after a forward pass; None for nothing."""
        return None

    def forget(self) -> None:
        """Drop what the last forward pass left for `parting`; its gates are told by themselves."""

    def parting(
        self, representation: Tensor, gradients: Float[Tensor, "tasks rows width"]
    ) -> list[tuple[Tensor, Tensor]]:
        """Return tensors below which tasks share everything, each with every task's gradient of it.

        Of what the last forward pass returned for joint rows. A structure that knows how its representations
        come about gives tensors further down, where a gradient for every task takes less room.

        Args:
            representation: ``[rows, width]`` or ``[tasks, rows, width]``.
            gradients: of each task's loss by the representation that it reads.
        """
        if representation.dim() == 2:
            return [(representation, gradients)]
        tasks = len(gradients)
        apart = gradients.new_zeros(tasks, *gradients.shape)
        apart[range(tasks), range(tasks)] = gradients
        return [(representation, apart)]

    def own_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters whose every entry is one task's alone; balancing leaves them to their task."""
        return iter(())

    def route_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of gates, which may learn at a rate of their own."""
        return iter(())
