"""Projecting conflicting gradients."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from sharewise.balance.solvers import Array, normalised
from sharewise.balance.weighting import Needs, Remembering, Signals, like
from sharewise.streams import derive_seed


class PCGrad(Remembering):
    """PCGrad (Yu et al. 2020, NeurIPS, algorithm 1): each gradient loses what opposes the others, in turn.

    For every task i and the others j in random order, gᵢ ← gᵢ - <gᵢ, gⱼ> / ‖gⱼ‖² gⱼ if <gᵢ, gⱼ> < 0, with the
    original gⱼ; the direction is the sum. All tasks i are projected at once. Weights are at least 1 each.

    Args:
        seed: of the orders.
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def __call__(self, signals: Signals) -> Tensor:
        cosines, lengths = normalised(signals.given_gramian)
        draw = self._recall("draws", torch.zeros((), dtype=torch.int64))
        self._memory["draws"] = draw + 1
        order = orders(len(cosines), derive_seed(self.seed, "pcgrad", int(draw)))
        projected = project(cosines.numpy(), order)
        size = lengths.numpy()
        # Row i is in units of its own gradient's length; column j has weights of unit gradients.
        inverse = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
        weights = (projected * size[:, None]).sum(0) * inverse
        return like(torch.from_numpy(np.where(size > 0, weights, 1.0)), signals.losses)


def orders(tasks: int, seed: int) -> Array:
    """Return a random order of all tasks for each task, ``[tasks, tasks]``."""
    found: Array = np.random.default_rng(seed).permuted(np.tile(np.arange(tasks), (tasks, 1)), axis=1)
    return found


def project(cosines: Array, order: Array) -> Array:
    """Return the coefficients of the projected unit gradients, one a row."""
    tasks = len(cosines)
    rows, coefficients = np.arange(tasks), np.eye(tasks)
    for others in order.T:
        along = (coefficients * cosines[others]).sum(1)
        opposed = (along < 0) & (others != rows)
        coefficients[rows, others] -= np.where(opposed, along, 0.0)
    return coefficients
