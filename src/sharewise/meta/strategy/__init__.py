"""How the meta-gradient of a batch of episodes is computed: whole, in chunks, by threads, or compiled.

All give the same gradient, up to rounding; except of networks with running statistics, which are those of the
episodes that run together: of all with "whole", of a part of the batch with the others.

What is fastest depends on the network: products of small matrices stack well and are bound by overhead, which
compiling takes away; convolutions with stacked weights run as grouped convolutions, which are slow on a CPU,
and there a task at a time on every core is fastest.
"""

from sharewise.meta.strategy.choose import (
    STRATEGIES,
    WORTH_COMPILING,
    can_compile,
    make_strategy,
    tune_allocator,
)
from sharewise.meta.strategy.compiled import Compiled
from sharewise.meta.strategy.strategy import Chunks, Strategy, Whole
from sharewise.meta.strategy.workers import Workers

__all__ = [
    "STRATEGIES",
    "WORTH_COMPILING",
    "Chunks",
    "Compiled",
    "Strategy",
    "Whole",
    "Workers",
    "can_compile",
    "make_strategy",
    "tune_allocator",
]
