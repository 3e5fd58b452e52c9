"""Gradients of every awkward sort, for all tests of balancing."""

from __future__ import annotations

import torch
from torch import Tensor

from sharewise.balance import METHODS, Needs, Signals, Weighting, make_weighting
from sharewise.balance.methods import METHOD_CLASSES
from sharewise.tasks import Task, TaskSet

#: SDMGrad's own rate lets its weights jump from corner to corner, so that rounding decides.
OPTIONS: dict[str, dict[str, object]] = {"fixed": {"weights": {"t0": 2.0}}, "sdmgrad": {"rate": 0.3}}
GRAMIAN = [name for name in METHODS if METHOD_CLASSES[name].needs == Needs.GRAMIAN]
LOSSES = [name for name in METHODS if METHOD_CLASSES[name].needs <= Needs.LOSSES]
#: Methods that draw: equivariant under permutations in law only.
DRAWING = {"random", "pcgrad", "gradvac"}


def make(name: str, tasks: int) -> Weighting:
    made = TaskSet([Task(f"t{i}") for i in range(tasks)])
    return make_weighting(name, made, **OPTIONS.get(name, {}))


def jacobian(kind: str, tasks: int, seed: int = 0, columns: int = 30) -> Tensor:
    """Return J, float64, of one of `KINDS`."""
    generator = torch.Generator().manual_seed(seed)
    j = torch.randn(tasks, columns, dtype=torch.float64, generator=generator)
    if kind == "conflicting":  # as a sum of 0.9 of a common direction against each
        j = j - 0.9 * j.mean(0)
        j[0] = -j[1:].sum(0) + 0.3 * j[0] if tasks > 1 else j[0]
    if kind == "rank_deficient":
        j = j[:, :2] @ torch.randn(2, columns, dtype=torch.float64, generator=generator)
    if kind == "ill":
        j = j * torch.logspace(0, -3, tasks, dtype=torch.float64)[:, None]
    if kind == "duplicated" and tasks > 1:
        j[1] = j[0]
    if kind == "zero":
        j[-1] = 0
    if kind == "zeros":
        j = j * 0
    return j


KINDS = ("random", "conflicting", "rank_deficient", "ill", "duplicated", "zero", "zeros")


def signals(j: Tensor, losses: Tensor | None = None) -> Signals:
    losses = torch.linspace(0.5, 1.5, len(j)) if losses is None else losses
    return Signals(losses, j @ j.T, j)


def direction(j: Tensor, weights: Tensor) -> Tensor:
    return j.T @ weights.double()
