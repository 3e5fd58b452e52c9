"""Balancing is a weight vector: how much each task's loss counts in a step.

A `Weighting` maps the tasks' losses to weights; `backward` then does ONE backward pass of the weighted sum.
A method never sees a model, a batch or an optimizer, so a new one is a function of a vector: one small file
and one line in `METHODS`. Nothing here trains or knows where losses come from.
"""

from sharewise.balance.backward import backward
from sharewise.balance.from_losses import METHODS, Equal, Fixed, make_weighting
from sharewise.balance.weighting import Weighting

__all__ = ["METHODS", "Equal", "Fixed", "Weighting", "backward", "make_weighting"]
