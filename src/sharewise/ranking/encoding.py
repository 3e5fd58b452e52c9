"""Rows of a log -> what the network reads, by vocabularies and scales that follow the log.

A stretch of the log is read by what was known *before* it; only afterwards does it teach its new values and
its scales. So what is measured on it first is honest, and what the network learns of unknown values is learnt
from values that were unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.data.features import to_numbers
from sharewise.data.growing import GrowingVocabulary
from sharewise.data.hashed import hash_column
from sharewise.data.labels import encode_label, evaluate_labels, label_expression
from sharewise.data.moments import Moments
from sharewise.errors import DataError
from sharewise.nn.offset import KEY
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.schema import LogSchema
from sharewise.tasks import InputSpec, TaskSet

#: Scaled numbers stop here.
FURTHEST = 8.0
#: Edges of the bins of scaled numbers, for embeddings that have bins.
EDGES = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
#: The column of places, "position device", beside those of the log.
PLACE = "place"
#: Places in all; those that come later stay unknown.
PLACES = 4096


@dataclass(frozen=True)
class Rows:
    """A stretch of the log, read.

    Attributes:
        inputs: of the network as it serves: the place is missing.
        places: int64 ``[rows]``, numbers of the places; 0 where missing. None without them.
        numbers: float32 ``[rows, columns]`` before scaling, missing ones NaN.
        labels: float64 ``[rows, tasks]``, in the labels' unit; missing ones NaN.
    """

    inputs: dict[str, Tensor]
    places: Tensor | None
    numbers: NDArray[np.float32]
    labels: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, here: slice) -> Rows:
        """Return some of the rows."""
        inputs = {key: value[here] for key, value in self.inputs.items()}
        places = None if self.places is None else self.places[here]
        return Rows(inputs, places, self.numbers[here], self.labels[here])


class Encoding:
    """Reads rows, and learns from them.

    Args:
        schema: of the log.
        plan: of the ranker.
    """

    def __init__(self, schema: LogSchema, plan: RankPlan) -> None:
        self.schema, self._plan = schema, plan
        self._bias = plan.bias.kind
        self.vocabulary = GrowingVocabulary(schema.vocabulary, plan.log.most)
        self.places = GrowingVocabulary({PLACE: "text"}, PLACES)
        self.moments = Moments.empty(len(schema.counts) + len(schema.numbers))
        self.labels = Moments.empty(len(plan.tasks))

    @property
    def inputs(self) -> InputSpec:
        """What the network reads."""
        sizes = [buckets + 1 for buckets in self.schema.hashed.values()]
        return InputSpec(
            cardinalities=(*sizes, PLACES) if self._bias == "feature" else tuple(sizes),
            bins=(EDGES,) * len(self.moments.count),
            growing=len(self.vocabulary.columns),
        )

    @property
    def tasks(self) -> TaskSet:
        """The tasks, with labels standardised by what was seen of them."""
        own = zip(self._plan.tasks, self.labels.mean.tolist(), self.labels.scale.tolist(), strict=True)
        settled = [(m, s) if task.kind.standardised else (task.mean, task.scale) for task, m, s in own]
        means, scales = zip(*settled, strict=True)
        return self._plan.tasks.replace(mean=means, scale=scales)

    def read(self, frame: pl.DataFrame, labelled: bool = True) -> Rows:
        """Return rows as the network reads them, by what is known so far.

        Args:
            frame: rows of a log, under the log's names.
            labelled: False for rows to serve, which have no labels.

        Raises:
            DataError: if a column or a label holds what it cannot.
        """
        inputs: dict[str, Tensor] = {}
        if self.vocabulary.columns:
            inputs["growing"] = torch.from_numpy(self.vocabulary.encode(frame))
        hashed = [hash_column(frame[name], buckets) for name, buckets in self.schema.hashed.items()]
        if self._bias == "feature":  # the last of them, missing
            hashed.append(np.zeros(len(frame), dtype=np.int64))
        if hashed:
            inputs["categorical"] = torch.from_numpy(np.stack(hashed, 1))
        numbers = self._numbers(frame)
        if numbers.shape[1]:
            inputs["numeric"] = self._scaled(numbers)
        if not labelled:
            return Rows(inputs, None, numbers, np.full((len(frame), len(self._plan.tasks)), np.nan))
        places = None if self._bias == "none" else torch.from_numpy(self.places.encode(_places(frame))[:, 0])
        return Rows(inputs, places, numbers, self._labels(frame))

    def slot(self, name: str) -> tuple[str, int]:
        """Return which of the network's inputs a feature is a column of, and which column."""
        parts = {
            "growing": tuple(self.vocabulary.columns),
            "categorical": tuple(self.schema.hashed),
            "numeric": (*self.schema.counts, *self.schema.numbers),
        }
        return next((key, names.index(name)) for key, names in parts.items() if name in names)

    def one(self, name: str, value: Any) -> float:
        """Return what the network reads for one value of a feature, as `read` does for many."""
        key, place = self.slot(name)
        if key == "growing":
            return self.vocabulary.one(name, value)
        if key == "categorical":
            return int(hash_column(pl.Series(name, [value]), self.schema.hashed[name])[0])
        given = np.array([np.nan if value is None else value], dtype=np.float64)
        return float(self.scaled(place, given)[0])

    def scaled(self, place: int, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return values of the numeric column of this place as the network reads them."""
        mean, scale = np.float32(self.moments.mean[place]), np.float32(self.moments.scale[place])
        if not self.moments.count[place]:
            return np.zeros(len(values), dtype=np.float32)
        found = (self._logged(place, values).astype(np.float32) - mean) / scale
        clipped: NDArray[np.float32] = np.nan_to_num(np.clip(found, -FURTHEST, FURTHEST))
        return clipped

    @property
    def bias_is_feature(self) -> bool:
        """Whether the place is the last of the categorical inputs."""
        return self._bias == "feature"

    def check_labels(self, frame: pl.DataFrame) -> None:
        """Refuse labels that look at other rows than their own.

        Raises:
            DataError: if one does.
        """
        half = len(frame) // 2
        part = pl.Series(["train"] * half + ["test"] * (len(frame) - half), dtype=pl.String)
        evaluate_labels(frame, self._plan.tasks.tasks, frame.columns, part)

    def learn(self, frame: pl.DataFrame, rows: Rows) -> None:
        """Take new values and scales from a stretch that `read` has read."""
        if self.vocabulary.columns:
            self.vocabulary.learn(frame, rows.inputs["growing"].numpy())
        if rows.places is not None:
            known = frame["position"].is_not_null()
            found = rows.places.numpy()[known.to_numpy(), None]
            self.places.learn(_places(frame.filter(known)), found)
        self.moments = self.moments.merge(Moments.of(rows.numbers))
        self.labels = self.labels.merge(Moments.of(rows.labels))

    def trained(self, rows: Rows, kept: Tensor) -> dict[str, Tensor]:
        """Return the inputs to train on: with the place, where `kept` ``[rows]`` says so."""
        if rows.places is None:
            return rows.inputs
        places = torch.where(kept, rows.places, 0)
        if self._bias == "tower":
            return {**rows.inputs, KEY: places}
        categorical = rows.inputs["categorical"].clone()
        categorical[:, -1] = places
        return {**rows.inputs, "categorical": categorical}

    def place_numbers(self, positions: list[int], device: str | None) -> Tensor:
        """Return the numbers of positions on a device; 0 for a place that was never seen."""
        frame = pl.DataFrame({"position": positions})
        if device is not None:
            frame = frame.with_columns(device=pl.lit(device))
        return torch.from_numpy(self.places.encode(_places(frame))[:, 0])

    def tensors(self) -> dict[str, Tensor]:
        """Return all that was learnt, by name."""
        parts = {"vocabulary": self.vocabulary.tensors(), "places": self.places.tensors()}
        found = {f"{part}.{name}": v for part, own in parts.items() for name, v in own.items()}
        for name, moments in (("moments", self.moments), ("labels", self.labels)):
            own = (moments.count, moments.mean, moments.squares)
            found[name] = torch.from_numpy(np.stack(own))
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        for part, vocabulary in (("vocabulary.", self.vocabulary), ("places.", self.places)):
            vocabulary.load({n[len(part) :]: v for n, v in tensors.items() if n.startswith(part)})
        self.moments, self.labels = (Moments(*tensors[name].numpy()) for name in ("moments", "labels"))

    def _numbers(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        schema = self.schema
        columns = (*schema.counts, *schema.numbers)
        found = np.empty((len(columns), len(frame)), dtype=np.float32)
        for place, name in enumerate(columns):
            found[place] = self._logged(place, to_numbers(frame[name]))
        return np.ascontiguousarray(found.T)

    def _logged(self, place: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return numbers of a column, counts by their logarithm, NaN for what is no finite number."""
        if place < len(self.schema.counts):
            values = np.copysign(np.log1p(np.abs(values)), values)
        return np.where(np.isfinite(values), values, np.nan)

    def _scaled(self, numbers: NDArray[np.float32]) -> Tensor:
        mean, scale = self.moments.mean.astype(np.float32), self.moments.scale.astype(np.float32)
        scaled = (numbers - mean) / scale
        scaled[:, self.moments.count == 0] = 0.0  # nothing is known of them yet
        np.clip(scaled, -FURTHEST, FURTHEST, out=scaled)
        return torch.from_numpy(np.nan_to_num(scaled, copy=False))

    def _labels(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        known = frame.columns
        found = np.empty((len(frame), len(self._plan.tasks)))
        for place, task in enumerate(self._plan.tasks):
            label = _computed(frame, label_expression(task, known), task.name)
            found[:, place] = encode_label(replace(task, mean=0.0, scale=1.0), label)
        return found


def _computed(frame: pl.DataFrame, label: pl.Expr, name: str) -> pl.Series:
    try:
        found = frame.select(label.alias("label"))["label"]
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"The label of task '{name}' cannot be computed: {reason}.", "Check the types of its columns."
        ) from error
    return found if len(found) == len(frame) else found.new_from_index(0, len(frame))


def _places(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the places of rows as one column of texts, null where the position is."""
    parts = [pl.col("position").cast(pl.Int64).cast(pl.String)]
    if "device" in frame.columns:
        parts.append(pl.col("device").cast(pl.String).fill_null(""))
    return frame.select(pl.concat_str(parts, separator=" ").alias(PLACE))
