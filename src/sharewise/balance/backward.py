"""Balancing in anyone's own loop: one call in place of ``loss.backward()``."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sharewise.balance.balancer import Balancer, Step
from sharewise.balance.engines import ENGINES
from sharewise.balance.methods import make_weighting
from sharewise.balance.weighting import Weighting
from sharewise.errors import ConfigError, nearest
from sharewise.tasks import Task, TaskSet


def backward(
    losses: Sequence[Tensor],
    *,
    method: str | Weighting | Balancer = "upgrad",
    shared: Sequence[Tensor] | None = None,
    engine: str = "ghost",
) -> Step:
    """Add the balanced gradients of some losses to the parameters' ``.grad``.

    What is shared is found from the graph of the losses: a parameter that at least two of them depend on.
    Shared parameters get the gradient of the weighted sum; all others the plain gradient of their loss.

    Args:
        losses: one scalar a task, with its graph; it is used up, as by ``loss.backward()``.
        method: a name of `METHODS` for methods without memory; else an object, made once before the loop, by
            `make_weighting` or `make_balancer`.
        shared: parameters in place of what the graph says.
        engine: a name of `ENGINES`; where `method` is a `Balancer` it has its own.

    Returns:
        The weights, and the Gramian if there is one.

    Raises:
        ConfigError: if there are no losses, one of them is no scalar, needs no gradient or is not finite, if
            nothing is shared, or for names that are unknown.

    Example:
        >>> import torch
        >>> trunk, heads = torch.nn.Linear(3, 4), [torch.nn.Linear(4, 1) for _ in range(2)]
        >>> h = torch.tanh(trunk(torch.ones(5, 3)))
        >>> step = backward([head(h).square().mean() for head in heads], method="upgrad")
        >>> trunk.weight.grad is not None, len(step.weights)
        (True, 2)
    """
    check(losses)
    balancer = method if isinstance(method, Balancer) else _balancer(method, engine, len(losses))
    return balancer.separate(losses, shared)


def check(losses: Sequence[Tensor]) -> None:
    """Raise a `ConfigError` if these cannot be balanced."""
    if not len(losses):
        raise ConfigError("There are no losses.", "Give one scalar a task.")
    for place, loss in enumerate(losses):
        if not isinstance(loss, Tensor) or loss.dim():
            shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise ConfigError(f"Loss {place} is no scalar but {shape}.", "Give one scalar tensor a task.")
        if not loss.requires_grad:
            raise ConfigError(
                f"Loss {place} needs no gradient.", "Compute it from parameters, outside of torch.no_grad()."
            )
        if not bool(loss.isfinite()):
            raise ConfigError(
                f"Loss {place} is {loss.item()}, no finite number.",
                "Lower the learning rate, or look for extreme values in the data.",
            )


def _balancer(method: str | Weighting, engine: str, tasks: int) -> Balancer:
    if engine not in ENGINES:
        raise ConfigError(f"Engine '{engine}' is unknown.", nearest(engine, tuple(ENGINES)))
    if isinstance(method, Weighting):
        return Balancer(method, ENGINES[engine]())
    weighting = make_weighting(method, TaskSet([Task(str(i)) for i in range(tasks)]))
    if weighting.has_memory:
        raise ConfigError(
            f"Method '{method}' remembers earlier steps, which a name cannot.",
            f"Make it once before the loop, method = make_weighting('{method}', tasks), and pass that.",
        )
    return Balancer(weighting, ENGINES[engine]())
