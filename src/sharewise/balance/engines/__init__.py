"""Engines: from the graph of a step's losses to the Gramian over the parameters that tasks share.

They read the autograd graph, so they work for any model: what is shared, and which rule fits which
operation, is found there. No methods, no training.
"""

from sharewise.balance.engines.engine import Engine, Scene
from sharewise.balance.engines.exact import Exact
from sharewise.balance.engines.ghost import GhostGramian, LastShared

#: Every engine by name.
ENGINES: dict[str, type[Engine]] = {"ghost": GhostGramian, "last_shared": LastShared, "exact": Exact}

__all__ = ["ENGINES", "Engine", "Exact", "GhostGramian", "LastShared", "Scene"]
