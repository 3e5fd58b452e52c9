"""tune: inner steps and a step of θ, in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from sharewise.errors import ConfigError, DivergedError, nearest
from sharewise.meta.bilevel.gradient import Method, take
from sharewise.meta.bilevel.problem import B, Bilevel, Weights
from sharewise.meta.bilevel.rules import State
from sharewise.meta.bilevel.theta import Theta

OPTIMIZERS = ("adam", "sgd")
#: One round's line of the log.
Record = dict[str, Any]


@dataclass(frozen=True)
class TuneOptions:
    """Options of `tune`.

    Args:
        rounds: steps of θ.
        rate: their learning rate, on the raw numbers behind the constraints.
        optimizer: "adam" or "sgd".
        restart: start every round from the first φ, so that θ is judged by whole trainings of `steps` steps;
            else φ goes on, and θ changes while it is trained.

    Raises:
        ConfigError: for values that cannot be used.
    """

    rounds: int = 100
    rate: float = 0.05
    optimizer: str = "adam"
    restart: bool = False

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ConfigError(f"Tuning takes {self.rounds} rounds.", "Use at least 1.")
        if not 0 < self.rate < float("inf"):
            raise ConfigError(f"The outer learning rate is {self.rate}.", "Use a positive number.")
        if self.optimizer not in OPTIMIZERS:
            raise ConfigError(
                f"The outer optimizer '{self.optimizer}' is unknown.", nearest(self.optimizer, OPTIMIZERS)
            )


@dataclass(frozen=True)
class Tuned:
    """What came of it.

    Attributes:
        phi: the weights after the last inner step.
        theta: the hyper-parameters after the last outer step.
        history: by round: `outer` and `inner` loss, `theta` and `gradient` by name as plain values (both of
            before the outer step), and `residual` where a linear system was solved.
    """

    phi: Weights
    theta: Theta
    history: list[Record]


def tune(
    problem: Bilevel[B],
    phi: Weights,
    theta: Theta,
    method: Method,
    *,
    inner: Iterable[B],
    outer: Iterable[B],
    options: TuneOptions = TuneOptions(),
    told: Callable[[Record], None] | None = None,
) -> Tuned:
    """Take `method.steps` inner steps and one step of θ, `options.rounds` times.

    Args:
        problem: the two losses.
        phi: weights to begin with, not changed.
        theta: changed in place.
        method: how steps go and how the hyper-gradient is found.
        inner: endless batches of the inner loss, one for every step (and one more a round for `Implicit`).
        outer: endless batches of the outer loss, one a round.
        options: of the outer steps.
        told: hears every round's record.

    Raises:
        ConfigError: as `hyper_gradient`.
        DivergedError: if a loss or a hyper-gradient is not finite; it says in which round.
    """
    first = method.rule.start({name: value.detach().clone() for name, value in phi.items()})
    state, history = first, []
    optimizer = _optimizer(theta, options)
    train, valid = iter(inner), iter(outer)
    for number in range(options.rounds):
        state, record = _round(
            problem, first if options.restart else state, theta, method, train, valid, number
        )
        optimizer.step()
        theta.project()
        history.append(record)
        if told is not None:
            told(record)
    return Tuned(state[0], theta, history)


def _round(
    problem: Bilevel[B],
    state: State,
    theta: Theta,
    method: Method,
    inner: Any,
    outer: Any,
    number: int,
) -> tuple[State, Record]:
    """Take the inner steps and set θ's gradient."""
    try:
        found = method.differentiate(problem, state, theta.values(), inner, take(outer, number))
    except DivergedError as error:
        raise DivergedError(f"In round {number}: {error.problem}", error.remedy) from error
    theta.pull(found.gradient)
    record: Record = {
        "round": number,
        "outer": found.loss,
        "inner": found.inner_loss,
        "theta": theta.plain(),
        "gradient": {name: own.tolist() for name, own in found.gradient.items()},
    }
    if found.solution is not None:
        record["residual"] = float(found.solution.residual.max())
    return found.state, record


def _optimizer(theta: Theta, options: TuneOptions) -> torch.optim.Optimizer:
    parameters = list(theta.raw.values())
    if options.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=options.rate)
    return torch.optim.Adam(parameters, lr=options.rate)
