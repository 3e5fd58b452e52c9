"""Balancing in anyone's own loop: one call in place of ``loss.backward()``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from sharewise.balance.balancer import Balancer
from sharewise.balance.engines import ENGINES
from sharewise.balance.methods import make_weighting
from sharewise.balance.step import Step
from sharewise.balance.weighting import Weighting
from sharewise.errors import ConfigError, nearest
from sharewise.tasks import Task, TaskSet


def backward(
    losses: Sequence[Tensor],
    *,
    method: str | Weighting | Balancer = "upgrad",
    shared: Iterable[Tensor] | None = None,
    engine: str = "ghost",
) -> Step:
    """Add the balanced gradients of some losses to the parameters' ``.grad``.

    What is shared is found from the graph of the losses: a parameter that at least two of them depend on.
    Shared parameters get the gradient of the weighted sum; all others the plain gradient of their loss.

    Args:
        losses: one scalar a task, with its graph; it is used up, as by ``loss.backward()``.
        method: a name of `METHODS` for methods without memory; else an object, made once before the loop, by
            `make_weighting` or `make_balancer`.
        shared: parameters to balance, of those that are shared; by default all of them.
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
    losses = check(losses)
    if shared is not None:
        shared = _parameters(shared)
    balancer = method if isinstance(method, Balancer) else _balancer(method, engine, len(losses))
    return balancer.separate(losses, shared)


def check(losses: Iterable[Tensor]) -> list[Tensor]:
    """Return the losses as a list, or raise a `ConfigError` if these cannot be balanced."""
    if isinstance(losses, Mapping) or not isinstance(losses, Iterable):
        raise ConfigError(
            f"Losses are a {type(losses).__name__}.", "Give a list of scalar tensors, one a task."
        )
    if isinstance(losses, Tensor) and not losses.dim():
        raise ConfigError("There is one loss, a scalar.", "Give a list of scalar tensors, one a task.")
    losses = list(losses)
    if not losses:
        raise ConfigError("There are no losses.", "Give one scalar a task.")
    for place, loss in enumerate(losses):
        if not isinstance(loss, Tensor) or loss.dim():
            shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise ConfigError(f"Loss {place} is no scalar but {shape}.", "Give one scalar tensor a task.")
        if not loss.requires_grad:
            raise ConfigError(
                f"Loss {place} needs no gradient.", "Compute it from parameters, outside of torch.no_grad()."
            )
    _check_devices(losses)
    for place, loss in enumerate(losses):
        if not bool(loss.isfinite()):
            raise ConfigError(
                f"Loss {place} is {loss.item()}, no finite number.",
                "Lower the learning rate, or look for extreme values in the data.",
            )
    return losses


def _check_devices(losses: Sequence[Tensor]) -> None:
    devices = {str(loss.device) for loss in losses}
    if len(devices) > 1:
        raise ConfigError(
            f"Losses lie on {len(devices)} devices: {', '.join(sorted(devices))}.",
            "Bring them to one with `.to(device)`.",
        )


def _parameters(shared: object) -> list[Tensor]:
    found = list(shared) if isinstance(shared, Iterable) and not isinstance(shared, Tensor | str) else None
    if found is None or not all(isinstance(one, Tensor) for one in found):
        raise ConfigError(
            f"`shared` is {type(shared).__name__}, not parameters.",
            "Give a list of parameters, such as trunk.parameters().",
        )
    return found


def _balancer(method: str | Weighting, engine: str, tasks: int) -> Balancer:
    if engine not in ENGINES:
        raise ConfigError(f"Engine '{engine}' is unknown.", nearest(engine, tuple(ENGINES)))
    if isinstance(method, Weighting):
        return Balancer(method, ENGINES[engine]())
    if not isinstance(method, str):
        raise ConfigError(
            f"The method is a {type(method).__name__}.", "Give a name, or what `make_weighting` returns."
        )
    weighting = make_weighting(method, TaskSet([Task(str(i)) for i in range(tasks)]))
    if weighting.has_memory:
        raise ConfigError(
            f"Method '{method}' remembers earlier steps, which a name cannot.",
            f"Make it once before the loop, method = make_weighting('{method}', tasks), and pass that.",
        )
    return Balancer(weighting, ENGINES[engine]())
