"""One request at a time, in milliseconds: what a ranker reads of items, queries and users, encoded once.

`recommend` gathers what is known of all candidates as a table and encodes that, which takes milliseconds for
any number of rows. Here every column of what candidates remember is encoded when a version is loaded; a
request picks rows of arrays, and encodes only what it says itself. The lists are those of `recommend`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.ranking.blend import blend
from sharewise.ranking.candidates.annotate import SIMILARITY, similar_to
from sharewise.ranking.candidates.proposer import KEYS
from sharewise.ranking.candidates.requests import Ids, Requests
from sharewise.ranking.candidates.retriever import Retriever
from sharewise.ranking.encoding import Encoding
from sharewise.ranking.export import Predictor

#: What the log holds a column of plain values as.
TEXT, WHOLE, NUMBER, TRUTH = (str(dtype) for dtype in (pl.String(), pl.Int64(), pl.Float64(), pl.Boolean()))
_PLAIN: dict[str, pl.DataType] = {
    str(one): one for one in (pl.String(), pl.Int64(), pl.Float64(), pl.Boolean())
}
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shown:
    """A ranked list, as plain values.

    Attributes:
        items: a record an item, the best first: item, position, score, predictions, sources.
        types: of the columns, as Polars names them.
        once: what is known of the request, its user and its query, by column.
        each: what is known of the items, by column, in the order of the list.
    """

    items: list[dict[str, Any]]
    types: dict[str, str]
    once: dict[str, Any]
    each: dict[str, list[Any]]


class Prepared:
    """What a ranker reads of all that candidates remember.

    Args:
        encoding: of the ranker.
        retriever: of candidates, from the same log.
    """

    def __init__(self, encoding: Encoding, retriever: Retriever) -> None:
        self._encoding, self._retriever = encoding, retriever
        own = retriever.proposer
        users = np.arange(len(own.users) + 1)
        items = np.arange(len(own.catalogue) + 1)
        users[-1] = items[-1] = -1  # the last row is nobody's
        ids = own.catalogue.ids.values(items)
        self._ids = _Column(ids)
        taken: set[str] = set()
        self._tables = {}
        for key in KEYS:
            rows = users if key == "user" else items
            frame = own.remembered(key, rows)
            if key == "item":
                frame = pl.DataFrame([ids.alias("item"), *(c for c in frame if c.name != "item")])
            frame = frame.select([name for name in frame.columns if name not in taken])
            taken.update(frame.columns)
            self._tables[key] = _Table(encoding, frame)
        slots = {name: encoding.slot(name) for name in encoding.schema.features}
        self._slots = slots
        self._widths = {key: len([1 for one in slots.values() if one[0] == key]) for key, _ in slots.values()}
        if encoding.bias_is_feature:  # the last of them, missing
            self._widths["categorical"] = self._widths.get("categorical", 0) + 1
        self._sources = (
            np.array([encoding.one("source", name) for name in own.plan.sources])
            if "source" in slots
            else None
        )
        self._names = [
            [name for bit, name in enumerate(own.plan.sources) if mask >> bit & 1]
            for mask in range(1 << len(own.plan.sources))
        ]

    def update(self, key: str, rows: pl.DataFrame) -> int:
        """Let what is known of items or users be this from now on; return how many of them are known.

        Requests that are being answered may read some of it.

        Args:
            key: "item" or "user".
            rows: a row each, with its id and some of the columns that are remembered of it.

        Raises:
            DataError: if an id or a value is of another type.
        """
        own = self._retriever.proposer
        known = own.users if key == "user" else own.catalogue.ids
        places = known.find(rows[key])
        here = places >= 0
        self._tables[key].update(self._encoding, rows.filter(pl.Series(here, dtype=pl.Boolean)), places[here])
        return int(here.sum())

    def types(self, key: str) -> dict[str, pl.DataType]:
        """Return the types of what is remembered of items or users, the id's among them."""
        kept = self._retriever.proposer.columns
        own = kept.user if key == "user" else kept.item
        types: dict[str, pl.DataType] = {key: pl.String() if own == "text" else pl.Int64()}
        return types | {name: _PLAIN[kind] for name, kind in self._tables[key].types.items() if name != key}

    def known(self, key: str, ids: pl.Series) -> int:
        """Return how many of these items or users there are."""
        own = self._retriever.proposer
        known = own.users if key == "user" else own.catalogue.ids
        return int((known.find(ids) >= 0).sum())

    def list_best(self, ranker: Predictor, asked: Mapping[str, Any], count: int) -> Shown:
        """Return the best items for one request.

        Args:
            ranker: whose encoding this was made for.
            asked: ``user``, ``query`` and what else is known, under the log's names, in the columns' types.
            count: items at most.
        """
        own = self._retriever.proposer
        user, query = own.users.one(asked["user"]), own.catalogue.ids.one(asked["query"])
        requests = own.request(user, query)
        merged = own.propose(requests)
        kept = merged.items[0] >= 0
        rows, bits = merged.items[0][kept], merged.sources[0][kept]
        alike = self._similarity(asked, requests, rows)
        first = np.log2(bits & -bits).astype(np.int64)
        places = {"item": rows, "query": np.array([query]), "user": np.array([user])}
        predicted = ranker.predict_inputs(self._inputs(asked, places, alike, first))
        score = blend(predicted, ranker.plan.blend)
        best = np.argsort(-score, kind="stable")[:count]
        items = [
            {
                "item": item,
                "position": place + 1,
                "score": _finite(float(score[at])),
                "predictions": {name: _finite(float(values[at])) for name, values in predicted.items()},
                "sources": self._names[bits[at]],
            }
            for place, (at, item) in enumerate(zip(best, self._ids.of(rows[best]), strict=True))
        ]
        return self._shown(items, asked, {**places, "item": rows[best]}, alike, best, first)

    def _similarity(self, asked: Mapping[str, Any], requests: Requests, rows: Ids) -> Array | None:
        if SIMILARITY not in self._slots or SIMILARITY in asked:
            return None
        return similar_to(self._retriever.proposer, requests, np.zeros(len(rows), dtype=np.int64), rows)

    def _inputs(
        self, asked: Mapping[str, Any], places: Mapping[str, Ids], alike: Array | None, first: Ids
    ) -> dict[str, Tensor]:
        count = len(places["item"])
        found = {
            key: np.zeros((count, width), dtype=np.float32 if key == "numeric" else np.int64)
            for key, width in self._widths.items()
        }
        for key, table in self._tables.items():
            table.fill(found, places[key])
        if alike is not None and not self._known(SIMILARITY):
            key, place = self._slots[SIMILARITY]
            found[key][:, place] = self._encoding.scaled(place, alike)
        if self._sources is not None and "source" not in asked and not self._known("source"):
            key, place = self._slots["source"]
            found[key][:, place] = self._sources[first]
        for name, value in asked.items():
            if name in self._slots:
                key, place = self._slots[name]
                found[key][:, place] = self._encoding.one(name, value)
        return {key: torch.from_numpy(values) for key, values in found.items()}

    def _known(self, name: str) -> bool:
        return any(name in table.types for table in self._tables.values())

    def _shown(
        self,
        items: list[dict[str, Any]],
        asked: Mapping[str, Any],
        places: Mapping[str, Ids],
        alike: Array | None,
        best: Ids,
        first: Ids,
    ) -> Shown:
        types, once, each = {}, {}, {}
        for key, table in self._tables.items():
            types.update(table.types)
            if key == "item":
                each.update(table.columns(places[key]))
            else:
                once.update({name: own[0] for name, own in table.columns(places[key]).items()})
        if alike is not None and not self._known(SIMILARITY):
            types[SIMILARITY], each[SIMILARITY] = NUMBER, alike[best].tolist()
        if not self._known("source"):
            names = self._retriever.proposer.plan.sources
            types["source"], each["source"] = TEXT, [names[source] for source in first[best]]
        for name, value in asked.items():
            each.pop(name, None)
            once[name] = value
            if value is not None:
                types[name] = _type_of(value)
        return Shown(items, types, once, each)


class _Table:
    """Columns that go by one key, encoded and as they are.

    Args:
        encoding: of the ranker.
        frame: a row a user or item, the last one nobody's; may have no columns.
    """

    def __init__(self, encoding: Encoding, frame: pl.DataFrame) -> None:
        self._encoded = _encoded(encoding, frame)
        own = plain(frame)
        self.types = {name: str(dtype) for name, dtype in own.schema.items() if dtype != pl.Null}
        self._columns = {column.name: _Column(column) for column in own}

    def update(self, encoding: Encoding, frame: pl.DataFrame, rows: Ids) -> None:
        """Write these columns of rows anew; columns that the table does not have are left out."""
        own = frame.select([name for name in frame.columns if name in self._columns])
        for key, (places, values) in _encoded(encoding, own).items():
            every, table = self._encoded[key]
            for place, column in zip(places, values.T, strict=True):
                table[rows, every.index(place)] = column
        for column in plain(own):
            self._columns[column.name].write(rows, column)

    def fill(self, found: Mapping[str, NDArray[Any]], rows: Ids) -> None:
        """Write the columns of these rows, or of the only one, into those of the network's inputs."""
        for key, (places, values) in self._encoded.items():
            found[key][:, places] = values[rows]

    def columns(self, rows: Ids) -> dict[str, list[Any]]:
        """Return the values of rows by column."""
        return {name: column.of(rows) for name, column in self._columns.items()}


class _Column:
    """Values of which few are wanted at a time.

    Args:
        column: of one of the types of a journal.
    """

    def __init__(self, column: pl.Series) -> None:
        self._missing = np.array(column.is_null().to_numpy())
        self._values: NDArray[Any] | list[Any] = column.to_list()
        if column.dtype.is_numeric() or column.dtype == pl.Boolean:
            filled = column.fill_null(False if column.dtype == pl.Boolean else 0)
            self._values = np.array(filled.to_numpy())

    def write(self, rows: Ids, column: pl.Series) -> None:
        """Let rows have these values from now on."""
        self._missing[rows] = column.is_null().to_numpy()
        if isinstance(self._values, list):
            for row, value in zip(rows.tolist(), column.to_list(), strict=True):
                self._values[row] = value
        else:
            self._values[rows] = column.fill_null(0).cast(pl.Float64).to_numpy().astype(self._values.dtype)

    def of(self, rows: Ids) -> list[Any]:
        """Return the values of rows, None where they are missing."""
        own = self._values
        if isinstance(own, list):
            return [own[row] for row in rows]
        missing = self._missing[rows].tolist()
        return [None if none else v for v, none in zip(own[rows].tolist(), missing, strict=True)]


def _encoded(encoding: Encoding, frame: pl.DataFrame) -> dict[str, tuple[list[int], NDArray[Any]]]:
    """Return features as the network reads them: by input the columns' places, and their values."""
    features = [name for name in encoding.schema.features if name in frame.columns]
    if not features:
        return {}
    empty = {name: pl.Series(name, [None] * len(frame)) for name in encoding.schema.features}
    whole = pl.DataFrame({**empty, **{name: frame[name] for name in features}})
    inputs = encoding.read(whole, labelled=False).inputs
    slots = [encoding.slot(name) for name in features]
    found = {}
    for key in dict.fromkeys(key for key, _ in slots):
        places = [place for own, place in slots if own == key]
        found[key] = places, np.ascontiguousarray(inputs[key].numpy()[:, places])
    return found


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Return columns of the four types that a journal can hold; numbers that are not finite are missing."""
    found = []
    for name, dtype in frame.schema.items():
        column = pl.col(name)
        if dtype.is_float():
            column = column.cast(pl.Float64)
            column = pl.when(column.is_finite()).then(column).alias(name)
        elif dtype.is_integer():
            column = column.cast(pl.Int64)
        elif dtype not in (pl.Boolean, pl.Null):
            column = column.cast(pl.String)
        found.append(column)
    return frame.select(found)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return TRUTH
    return TEXT if isinstance(value, str) else NUMBER if isinstance(value, float) else WHOLE


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
