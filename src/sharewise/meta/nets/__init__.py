"""Networks that can be run with weights of their own for every task, stacked over a leading dimension."""

from sharewise.meta.nets.conv import ConvNet
from sharewise.meta.nets.inputs import InputReader
from sharewise.meta.nets.make import NetOptions, make_net, options_of_net
from sharewise.meta.nets.mlp import MLP
from sharewise.meta.nets.net import Net, Weights
from sharewise.meta.nets.own import OwnNet

__all__ = [
    "MLP",
    "ConvNet",
    "InputReader",
    "Net",
    "NetOptions",
    "OwnNet",
    "Weights",
    "make_net",
    "options_of_net",
]
