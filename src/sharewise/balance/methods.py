"""The table of methods by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from sharewise.balance import from_gramian, from_losses
from sharewise.balance.from_losses.fixed import make_fixed
from sharewise.balance.weighting import Weighting
from sharewise.errors import ConfigError, nearest
from sharewise.tasks import TaskSet

#: Every method by name; to add one: a new file, and a line here.
METHOD_CLASSES: dict[str, type[Weighting]] = {
    "equal": from_losses.Equal,
    "fixed": from_losses.Fixed,
    "uncertainty": from_losses.Uncertainty,
    "dwa": from_losses.DWA,
    "random": from_losses.RLW,
    "geometric_mean": from_losses.GeometricMean,
    "imtl_l": from_losses.IMTLL,
    "stch": from_losses.STCH,
    "famo": from_losses.FAMO,
    "famo_free": from_losses.FAMOFree,
    "log": from_losses.Log,
    "mgda": from_gramian.MGDA,
    "pcgrad": from_gramian.PCGrad,
    "gradvac": from_gramian.GradVac,
    "gradnorm": from_gramian.GradNorm,
    "cagrad": from_gramian.CAGrad,
    "imtl_g": from_gramian.IMTLG,
    "nash_mtl": from_gramian.NashMTL,
    "aligned_mtl": from_gramian.AlignedMTL,
    "fairgrad": from_gramian.FairGrad,
    "upgrad": from_gramian.UPGrad,
    "config": from_gramian.ConFIG,
    "db_mtl": from_gramian.DBMTL,
    "sdmgrad": from_gramian.SDMGrad,
    "modo": from_gramian.MoDo,
    "excess_mtl": from_gramian.ExcessMTL,
}


def _factory(name: str) -> Callable[..., Weighting]:
    if name == "fixed":
        return make_fixed  # the only one that must know the tasks' names

    return lambda tasks, **options: METHOD_CLASSES[name](**options)


METHODS: dict[str, Callable[..., Weighting]] = {name: _factory(name) for name in METHOD_CLASSES}


def make_weighting(name: str, tasks: TaskSet, **options: Any) -> Weighting:
    """Return the weighting of that name for these tasks.

    Raises:
        ConfigError: if there is no such method, or it does not take these options.
    """
    if name not in METHODS:
        raise ConfigError(f"Balancing method '{name}' is unknown.", nearest(name, tuple(METHODS)))
    try:
        return METHODS[name](tasks, **options)
    except TypeError as error:
        raise ConfigError(
            f"Balancing method '{name}' does not take these options: {error}.", "Correct them."
        ) from error


def options_of(name: str) -> tuple[str, ...]:
    """Return the names of the options that a method takes."""
    return tuple(inspect.signature(METHOD_CLASSES[name]).parameters)
