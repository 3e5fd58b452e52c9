"""What is measured of a stretch of the log before it is trained on, as sums that add up over stretches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.ranking.options import MeasureOptions
from sharewise.tasks import TaskSet
from sharewise.tasks.grouped import grouped_auc, grouped_ndcg
from sharewise.tasks.tally import BinaryTally, MeanTally, NumberTally, Tally

Array = NDArray[np.float64]
#: Rows whose cohort value is known, unknown; without cohorts all count as known.
COHORTS = ("known", "new")


class Measures:
    """Tallies by name: of every task and cohort, and of lists.

    Args:
        tasks: what is measured.
        options: how lists and cohorts are made.
        places: whether there are predictions with the place known.
    """

    def __init__(self, tasks: TaskSet, options: MeasureOptions, places: tuple[str, ...] = ()) -> None:
        self._tasks, self._options, self._places = tasks, options, places
        self.rows = 0
        self.tallies: dict[str, Tally] = {name: kind() for name, kind in self._kinds()}

    def see(self, frame: pl.DataFrame, seen: Seen) -> None:
        """Add rows."""
        self.rows += len(frame)
        for place, task in enumerate(self._tasks):
            label = seen.labels[:, place]
            for new, cohort in enumerate(COHORTS):
                rows = ~np.isnan(label) & (seen.new == bool(new))
                self._add(f"{cohort}.{task.name}", seen.served[task.name][rows], label[rows])
            if task.name in self._places:
                rows = ~np.isnan(label)
                self._add(f"placed.{task.name}", seen.placed[task.name][rows], label[rows])
        if self._options.group != "none":
            groups = frame[self._options.group].rank("dense").fill_null(0)
            self._see_lists(groups.to_numpy().astype(np.int64), seen)

    def merge(self, other: Measures) -> None:
        """Add another stretch's."""
        self.rows += other.rows
        for name, tally in other.tallies.items():
            self.tallies[name].merge(tally)

    def record(self) -> dict[str, Any]:
        """Return the measures as plain values; what cannot be said is left out."""
        tasks = {task.name: self._whole(task.name) for task in self._tasks}
        found: dict[str, Any] = {"rows": self.rows, "tasks": tasks}
        if self._places:
            found["placed"] = {
                name: _finite(self.tallies[f"placed.{name}"].values()) for name in self._places
            }
        if self._options.cohort != "none":
            found["cohorts"] = {
                cohort: {t.name: _finite(self.tallies[f"{cohort}.{t.name}"].values()) for t in self._tasks}
                for cohort in COHORTS
            }
        lists = {name: tally.mean for name, tally in self.tallies.items() if isinstance(tally, MeanTally)}
        return {**found, "lists": _finite(lists)}

    def calibration(self) -> dict[str, list[dict[str, float]]]:
        """Return mean predictions beside mean labels of every binary task, by groups of predictions."""
        binary = [task.name for task in self._tasks if task.kind.name == "binary"]
        return {name: found.bins() for name in binary if isinstance(found := self._both(name), BinaryTally)}

    def tensors(self) -> dict[str, Tensor]:
        """Return all sums, by name."""
        found = {f"{n}/{part}": v for n, t in self.tallies.items() for part, v in t.state().items()}
        return {"rows": torch.tensor(self.rows), **{n: torch.from_numpy(v) for n, v in found.items()}}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        self.rows = int(tensors["rows"])
        for name, tally in self.tallies.items():
            start = f"{name}/"
            own = {n[len(start) :]: v.numpy() for n, v in tensors.items() if n.startswith(start)}
            tally.load(own)

    def _kinds(self) -> Iterator[tuple[str, type[Tally]]]:
        for task in self._tasks:
            kind = BinaryTally if task.kind.name == "binary" else NumberTally
            yield from ((f"{cohort}.{task.name}", kind) for cohort in COHORTS)
            if task.name in self._places:
                yield f"placed.{task.name}", kind
        if self._options.group != "none":
            yield f"ndcg@{self._options.k}", MeanTally
            yield from ((f"gauc.{t.name}", MeanTally) for t in self._tasks if t.kind.name == "binary")

    def _add(self, name: str, predictions: Array, labels: Array) -> None:
        if len(labels):
            self.tallies[name].add(predictions, labels)

    def _see_lists(self, groups: NDArray[np.int64], seen: Seen) -> None:
        gains = np.zeros(len(groups))
        for name, worth in self._options.gain.items():
            gains += worth * np.nan_to_num(seen.labels[:, self._tasks.index(name)]).clip(0)
        ndcg = grouped_ndcg(groups, seen.scores, gains, self._options.k)
        self.tallies[f"ndcg@{self._options.k}"].add(ndcg, np.ones(len(ndcg)))
        for place, task in enumerate(self._tasks):
            if task.kind.name == "binary":
                label = seen.labels[:, place]
                rows = ~np.isnan(label)
                auc = grouped_auc(groups[rows], seen.served[task.name][rows], label[rows])
                weights = np.bincount(groups[rows], minlength=len(auc)).astype(np.float64)
                self.tallies[f"gauc.{task.name}"].add(auc, weights)

    def _whole(self, name: str) -> dict[str, float]:
        return _finite(self._both(name).values())

    def _both(self, name: str) -> Tally:
        first, second = (self.tallies[f"{cohort}.{name}"] for cohort in COHORTS)
        return type(first)({part: first.sums[part] + second.sums[part] for part in first.sums})


class Seen:
    """What was predicted of rows, and what came of them.

    Attributes:
        served, placed: predictions by task, in the labels' unit, ``[rows]``; the place missing, and known.
        scores: the blend of those served.
        labels: ``[rows, tasks]``, missing ones NaN.
        new: ``[rows]``, whether the row's cohort value was unknown.
    """

    def __init__(
        self,
        served: dict[str, Array],
        placed: dict[str, Array],
        scores: Array,
        labels: Array,
        new: NDArray[np.bool_],
    ) -> None:
        self.served, self.placed, self.scores, self.labels, self.new = served, placed, scores, labels, new


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if np.isfinite(value)}
