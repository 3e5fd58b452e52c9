"""The network for some inputs: a perceptron for columns, convolutions for images."""

from __future__ import annotations

from dataclasses import dataclass

from sharewise.errors import ConfigError
from sharewise.meta.nets.conv import ConvNet
from sharewise.meta.nets.mlp import MLP
from sharewise.meta.nets.net import Net
from sharewise.nn.initial import Initial
from sharewise.nn.settings import PartOptions


@dataclass(frozen=True, kw_only=True)
class NetOptions:
    """What a learner's network is made of.

    Attributes:
        hidden: widths of hidden layers, for columns.
        channels: of the convolutional blocks, for images.
        norm: normalisation of images' features: "auto" is "support" where weights are adapted, "running"
            where tasks share them; see `sharewise.meta.nets.norm`.
        pool: "max" or "stride".
        embedding: size of categories' embeddings.
        numeric: how numbers enter; see `sharewise.ModelOptions`.
    """

    hidden: tuple[int, ...] = (40, 40)
    channels: tuple[int, ...] = (64, 64, 64, 64)
    norm: str = "auto"
    pool: str = "max"
    embedding: int = 8
    numeric: str = "linear"

    def __post_init__(self) -> None:
        for name in ("hidden", "channels"):
            widths = tuple(getattr(self, name))
            object.__setattr__(self, name, widths)
            if not widths or any(not isinstance(w, int) or w < 1 for w in widths):
                raise ConfigError(f"The learner has {name} = {widths}.", "Give positive whole numbers.")
        self.parts()

    def parts(self) -> PartOptions:
        """Return the options of the inputs' embeddings."""
        return PartOptions(embedding=self.embedding, numeric=self.numeric)


def options_of_net(net: object) -> NetOptions:
    """Return the options in `net`; the defaults where it is a network already.

    Raises:
        ConfigError: if it is neither.
    """
    if isinstance(net, Net):
        return NetOptions()
    if not isinstance(net, NetOptions):
        raise ConfigError(
            f"The learner's net is a {type(net).__name__}.", "Give NetOptions, or your module in an OwnNet."
        )
    return net


def make_net(
    shape: tuple[int, ...],
    options: NetOptions,
    out: int | None,
    initial: Initial,
    adapted: bool,
    context: int = 0,
) -> Net:
    """Return the network for rows of this shape.

    Args:
        shape: (features,) or (channels, height, width).
        options: what it is made of.
        out: outputs of the head; None for features.
        initial: source of initial values.
        adapted: weights are adapted to tasks.
        context: size of a task's context.
    """
    if len(shape) == 1:
        features = shape[0] + context
        if out is None:
            return MLP(features, options.hidden, initial, rectify_last=True)
        return MLP(features, (*options.hidden, out), initial)
    norm = options.norm if options.norm != "auto" else ("support" if adapted else "running")
    if adapted and norm == "running":
        raise ConfigError(
            "Running statistics would mix the tasks that weights are adapted to.",
            "Use norm = 'support', 'transductive' or 'group'.",
        )
    channels, height, width = shape
    return ConvNet((channels, height, width), options.channels, out, initial, norm, options.pool, context)
