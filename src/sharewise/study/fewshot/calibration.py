"""Do predictions from a few examples mean what they say? Counted batch by batch, over all query rows.

Classes: of the rows predicted with a probability near p, is a share p right? The expected calibration error
is the mean gap, weighted by rows (Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3).
Numbers with a variance: does the central interval of every level hold that share of the rows? And is the
probability integral transform Φ((y - μ) / σ) uniform (Dawid 1984)?
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sharewise.data.episodes import Episodes
from sharewise.meta import Forecast
from sharewise.tasks.kind import Kind
from sharewise.tasks.metrics import Array
from sharewise.train.meta_evaluate import interval

#: Of equal width, for probabilities and for the integral transform.
BINS = 10
LEVELS = (0.5, 0.8, 0.9, 0.95)
#: The level that words speak of.
SPOKEN = 0.9
OVER, UNDER, FITS = "overconfident", "underconfident", "no departure seen"


class Watch(ABC):
    """Sees forecasts go by, and keeps counts of them."""

    @abstractmethod
    def add(self, episodes: Episodes, forecast: Forecast) -> None:
        """Count the query rows of some episodes."""

    @abstractmethod
    def result(self) -> dict[str, Any] | None:
        """Return what was counted for JSON; None if there is nothing to say."""


def watch_for(kind: Kind) -> Watch | None:
    """Return what counts forecasts of a kind; None where there is no such calibration."""
    if kind.categorical or kind.name == "binary":
        return Reliability(kind)
    return Coverage() if kind.name == "regression" else None


class Reliability(Watch):
    """Probabilities of the likeliest class (of "yes", for a binary label) against how often it was so."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.sums = torch.zeros(3, BINS, dtype=torch.float64)
        self.gaps: list[Tensor] = []
        self.tasks: list[Tensor] = []

    def add(self, episodes: Episodes, forecast: Forecast) -> None:
        query = episodes.query
        said, right = self._said(forecast.outputs, query.targets)
        present = query.weights > 0
        place = (said * BINS).long().clamp(0, BINS - 1)[present].cpu()
        columns = (present, said, right)
        for sums, column in zip(self.sums, columns, strict=True):
            sums += torch.bincount(place, column[present].cpu().double(), BINS)
        self.gaps.append(((said - right) * query.weights).sum(1))
        self.tasks.extend(() if episodes.tasks is None else (episodes.tasks,))

    def _said(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        probabilities = self.kind.link(outputs)
        if not self.kind.categorical:
            return probabilities[..., 0], targets
        said, chosen = probabilities.max(-1)
        return said, (chosen == targets).to(said.dtype)

    def result(self) -> dict[str, Any]:
        rows, said, right = (column.numpy() for column in self.sums)
        kept = rows > 0
        means = said[kept] / rows[kept], right[kept] / rows[kept]
        gap = interval(_array(self.gaps), _tasks(self.tasks))
        found: dict[str, Any] = {
            "type": "probability",
            "rows": int(rows.sum()),
            "bins": [
                {"predicted": float(p), "observed": float(o), "rows": int(n)}
                for p, o, n in zip(*means, rows[kept], strict=True)
            ],
            "error": float(np.abs(said - right).sum() / rows.sum()),
            "gap": gap,
        }
        if self.kind.categorical:
            found["word"] = _word(gap["low"] > 0, gap["high"] < 0)
        return found


class Coverage(Watch):
    """Central intervals against the shares of rows that they should hold; needs a variance."""

    def __init__(self) -> None:
        self.within: list[Float[Tensor, "tasks levels"]] = []
        self.tasks: list[Tensor] = []
        self.transform = torch.zeros(BINS, dtype=torch.float64)
        self.squares = 0.0

    def add(self, episodes: Episodes, forecast: Forecast) -> None:
        if forecast.variance is None:
            return
        query = episodes.query
        z = (query.targets - forecast.outputs[..., 0]) / forecast.variance.sqrt()
        levels = torch.tensor(LEVELS, dtype=z.dtype, device=z.device)
        inside = z.abs().unsqueeze(-1) <= torch.special.ndtri((1 + levels) / 2)
        self.within.append((inside * query.weights.unsqueeze(-1)).sum(1))
        self.tasks.extend(() if episodes.tasks is None else (episodes.tasks,))
        own = z[query.weights > 0].cpu().double()  # some devices know no float64
        place = (torch.special.ndtr(own) * BINS).long().clamp(0, BINS - 1)
        self.transform += torch.bincount(place, minlength=BINS)
        self.squares += float(own.square().sum())

    def result(self) -> dict[str, Any] | None:
        if not self.within:
            return None
        shares, tasks = _array(self.within), _tasks(self.tasks)
        levels = [
            {"level": level, **interval(column, tasks)}
            for level, column in zip(LEVELS, shares.T, strict=True)
        ]
        spoken = levels[LEVELS.index(SPOKEN)]
        rows = float(self.transform.sum())
        transform = (self.transform / rows).numpy()
        uniform = np.arange(1, BINS + 1) / BINS
        return {
            "type": "coverage",
            "rows": int(rows),
            "levels": levels,
            "transform": transform.tolist(),
            "distance": float(np.abs(transform.cumsum() - uniform).max()),
            "spread": float(np.sqrt(self.squares / rows)),
            "word": _word(spoken["high"] < SPOKEN, spoken["low"] > SPOKEN),
        }


def _array(parts: list[Tensor]) -> Array:
    found: Array = torch.cat(parts).cpu().double().numpy()
    return found


def _tasks(parts: list[Tensor]) -> NDArray[np.int64] | None:
    return torch.cat(parts).cpu().numpy() if parts else None


def _word(over: bool, under: bool) -> str:
    return OVER if over else UNDER if under else FITS
