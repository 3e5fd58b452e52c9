"""From names and plain values to a balancer, for configurations and the impatient."""

from __future__ import annotations

from typing import Any

from sharewise.balance.balancer import Balancer
from sharewise.balance.engines import ENGINES
from sharewise.balance.methods import make_weighting
from sharewise.errors import ConfigError, nearest
from sharewise.tasks import TaskSet


def make_balancer(
    tasks: TaskSet,
    method: str = "equal",
    engine: str = "ghost",
    every: int = 1,
    precision: str = "auto",
    **options: Any,
) -> Balancer:
    """Return the balancer of a method for these tasks.

    Args:
        tasks: what is balanced.
        method: a name of `METHODS`.
        engine: a name of `ENGINES`, for methods that ask for the Gramian.
        every: steps between two looks at the gradients.
        precision: of the Gramian: "auto", "fp32" or "bf16".
        options: of the method.

    Raises:
        ConfigError: for an unknown name, or options that do not fit.
    """
    if engine not in ENGINES:
        raise ConfigError(f"Engine '{engine}' is unknown.", nearest(engine, tuple(ENGINES)))
    return Balancer(make_weighting(method, tasks, **options), ENGINES[engine](), every, precision)
