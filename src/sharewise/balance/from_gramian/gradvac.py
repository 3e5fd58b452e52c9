"""Gradient vaccine."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from sharewise.balance.from_gramian.pcgrad import orders
from sharewise.balance.options import share
from sharewise.balance.solvers import Array, normalised
from sharewise.balance.weighting import EXACT, Needs, Remembering, Signals, like
from sharewise.streams import derive_seed


class GradVac(Remembering):
    """Gradient vaccine (Wang, Tsvetkov, Firat, Cao 2021, ICLR, algorithm 1, eq. 2-4).

    Each gradient is turned towards the others, in random order, until its cosine with each is at least the
    one they usually have: an exponential moving average of the cosines seen. PCGrad has 0 in its place.

    Args:
        beta: of the moving average; the paper uses 0.01.
        seed: of the orders.
    """

    needs: ClassVar[Needs] = Needs.GRAMIAN

    def __init__(self, *, beta: float = 0.01, seed: int = 0) -> None:
        super().__init__()
        self.beta, self.seed = share("GradVac", "beta", beta), seed

    def __call__(self, signals: Signals) -> Tensor:
        cosines, lengths = normalised(signals.given_gramian)
        tasks = len(cosines)
        draw = self._recall("draws", torch.zeros((), dtype=torch.int64))
        usual = self._recall("usual", torch.zeros(tasks, tasks, dtype=EXACT)).numpy().copy()
        order = orders(tasks, derive_seed(self.seed, "gradvac", int(draw)))
        size = lengths.numpy()
        turned = self._turn(cosines.numpy(), usual, order, size > 0)
        self._memory |= {"draws": draw + 1, "usual": torch.from_numpy(usual)}
        inverse = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
        weights = (turned * size[:, None]).sum(0) * inverse
        return like(torch.from_numpy(np.where(size > 0, weights, 1.0)), signals.losses)

    def _turn(self, cosines: Array, usual: Array, order: Array, there: Any) -> Array:
        """Return the coefficients of the turned unit gradients, one a row; move `usual` along."""
        tasks = len(cosines)
        rows, coefficients = np.arange(tasks), np.eye(tasks)
        for others in order.T:
            toward = coefficients @ cosines
            length = np.sqrt(np.maximum((toward * coefficients).sum(1), 0.0))
            counts = there & there[others] & (others != rows) & (length > 0)
            cosine = np.divide(toward[rows, others], length, out=np.zeros(tasks), where=counts).clip(-1, 1)
            goal = usual[rows, others]
            below = counts & (cosine < goal)
            sine, goal_sine = np.sqrt(1 - cosine**2), np.sqrt(np.maximum(1 - goal**2, 0.0))
            wanted = length * (goal * sine - cosine * goal_sine)
            add = np.divide(wanted, goal_sine, out=np.zeros(tasks), where=below & (goal_sine > 1e-8))
            coefficients[rows, others] += add
            usual[rows, others] = np.where(counts, (1 - self.beta) * goal + self.beta * cosine, goal)
        return coefficients
