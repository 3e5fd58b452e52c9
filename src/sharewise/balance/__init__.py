"""Balancing is a weight vector: how much each task's loss counts in a step.

A `Weighting` maps what a step shows of the tasks - their losses and, where it asks for it, the Gramian
G = J Jᵀ of their gradients over the shared parameters - to weights; then there is ONE backward pass of the
weighted sum. An *engine* computes G from the graph of the losses, more or less exactly and cheaply; a method
never sees a model, a batch or an optimizer. So a new method is a function of a vector or a small matrix: one
small file in `from_losses/` or `from_gramian/`, and one line in `methods.METHODS`. Nothing here trains or
knows where losses come from.
"""

from sharewise.balance.backward import backward
from sharewise.balance.balancer import Balancer
from sharewise.balance.conflict import Conflict
from sharewise.balance.engines import ENGINES, Engine
from sharewise.balance.make import make_balancer
from sharewise.balance.methods import METHOD_CLASSES, METHODS, make_weighting, options_of
from sharewise.balance.step import Ask, Halves, Step
from sharewise.balance.weighting import Needs, Signals, Weighting

__all__ = [
    "ENGINES",
    "METHODS",
    "METHOD_CLASSES",
    "Ask",
    "Balancer",
    "Conflict",
    "Engine",
    "Halves",
    "Needs",
    "Signals",
    "Step",
    "Weighting",
    "backward",
    "make_balancer",
    "make_weighting",
    "options_of",
]
