"""Catalogue: the items that have come so far, and what they are about."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import torch
from scipy import sparse
from torch import Tensor

from sharewise.ranking.candidates.ids import Ids
from sharewise.ranking.candidates.options import TopicOptions
from sharewise.ranking.candidates.requests import Ids as Rows
from sharewise.train.state import tensors_of


class Catalogue:
    """Items and their topics.

    A topic is a value of one of the columns; of a column of truth values only true is one. An item has the
    topics that the log first gave it.

    Args:
        kept: how items' ids are kept, "number" or "text".
        options: the columns of topics.
    """

    def __init__(self, kept: str, options: TopicOptions) -> None:
        self.ids = Ids("item", kept)
        self._options = options
        self._topics = Ids("topic", "text")
        self._pairs = np.zeros((2, 0), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def topics(self) -> int:
        """How many topics there are."""
        return len(self._topics)

    @property
    def matrix(self) -> sparse.csr_matrix:
        """``[items, topics]``, 1 where the item is about the topic."""
        values = np.ones(self._pairs.shape[1])
        return sparse.csr_matrix((values, tuple(self._pairs)), shape=(len(self), self.topics))

    def padded(self) -> Rows:
        """Return the topics of every item, ``[items, most topics of one]``, -1 where there are fewer."""
        matrix = self.matrix
        counts = np.diff(matrix.indptr)
        found = np.full((len(self), max(int(counts.max(initial=0)), 1)), -1, dtype=np.int64)
        rows = np.repeat(np.arange(len(self)), counts)
        found[rows, np.arange(len(rows)) - matrix.indptr[rows]] = matrix.indices
        return found

    def learn(self, frame: pl.DataFrame) -> None:
        """Take in the items of a stretch: those that were shown, and the queries."""
        rows = self.ids.learn(frame["item"])
        if "query" in frame.columns:
            self.ids.learn(frame["query"])
        if self._options.columns:
            self._learn_topics(frame, rows)

    def _learn_topics(self, frame: pl.DataFrame, rows: Rows) -> None:
        told = np.zeros(len(self) + 1, dtype=np.bool_)  # the last is for -1
        told[self._pairs[0]] = told[-1] = True
        _, first = np.unique(np.where(told[rows], -1, rows), return_index=True)
        first = first[~told[rows[first]]]
        frame, names = frame[first], self._options.columns
        own = pl.Series("row", rows[first])
        parts = [_topics_of(frame, own, name, self._options.separator) for name in names]
        pairs = pl.concat(parts).unique(maintain_order=True)
        found = np.stack([pairs["row"].to_numpy(), self._topics.learn(pairs["topic"])])
        self._pairs = np.concatenate([self._pairs, found], 1)

    def tensors(self) -> dict[str, Tensor]:
        """Return all that is known, by name."""
        parts = {"item": self.ids.tensors(), "topic": self._topics.tensors()}
        found = {f"{part}.{name}": v for part, own in parts.items() for name, v in own.items()}
        return {**found, "pairs": torch.from_numpy(self._pairs)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        self.ids.load(tensors_of(tensors, "item"))
        self._topics.load(tensors_of(tensors, "topic"))
        self._pairs = tensors["pairs"].numpy().copy()


def _topics_of(frame: pl.DataFrame, rows: pl.Series, name: str, separator: str) -> pl.DataFrame:
    """Return the topics ``row, topic`` that a column gives the items of these rows."""
    column = frame[name]
    values = column.cast(pl.String)
    if column.dtype == pl.Boolean:
        values = values.replace("false", None)
    found = pl.DataFrame({"row": rows, "topic": values}).drop_nulls()
    if separator and column.dtype == pl.String:
        found = found.with_columns(pl.col("topic").str.split(separator)).explode("topic")
    return found.filter(pl.col("topic") != "").with_columns(topic=pl.lit(f"{name}=") + pl.col("topic"))
