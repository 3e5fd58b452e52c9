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
from sharewise.ranking.candidates.requests import Ids
from sharewise.ranking.candidates.retriever import Retriever
from sharewise.ranking.encoding import Encoding
from sharewise.ranking.export import Predictor
from sharewise.ranking.tables import Column, Table

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


@dataclass(frozen=True)
class Proposed:
    """Candidates for one request.

    Attributes:
        rows: in the catalogue, ``[candidates]``.
        bits: bit s is set where source s proposed the item, ``[candidates]``.
        first: the first source of each, ``[candidates]``.
        alike: how similar each is to what is asked with, ``[candidates]``; None if nobody asks.
        user, query: rows of both, ``[1]``.
    """

    rows: Ids
    bits: Ids
    first: Ids
    alike: Array | None
    user: Ids
    query: Ids

    def of(self, key: str) -> Ids:
        """Return the rows of items, of the query, or of the user."""
        return {"item": self.rows, "query": self.query, "user": self.user}[key]


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
        self._ids = Column(ids)
        taken: set[str] = set()
        self._tables = {}
        for key in KEYS:
            rows = users if key == "user" else items
            frame = own.remembered(key, rows)
            if key == "item":
                frame = pl.DataFrame([ids.alias("item"), *(c for c in frame if c.name != "item")])
            frame = frame.select([name for name in frame.columns if name not in taken])
            taken.update(frame.columns)
            self._tables[key] = Table(encoding, frame)
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
        proposed = self.propose(asked)
        predicted, score = self.rank(ranker, asked, proposed)
        best = np.argsort(-score, kind="stable")[:count]
        rows, bits = proposed.rows[best], proposed.bits[best]
        items = [
            {
                "item": item,
                "position": place + 1,
                "score": _finite(float(score[at])),
                "predictions": {name: _finite(float(values[at])) for name, values in predicted.items()},
                "sources": self._names[mask],
            }
            for place, (at, item, mask) in enumerate(zip(best, self._ids.of(rows), bits, strict=True))
        ]
        return self._shown(items, asked, proposed, best)

    def propose(self, asked: Mapping[str, Any]) -> Proposed:
        """Return the candidates for one request."""
        own = self._retriever.proposer
        user, query = own.users.one(asked["user"]), own.catalogue.ids.one(asked["query"])
        requests = own.request(user, query)
        merged = own.propose(requests)
        kept = merged.items[0] >= 0
        rows, bits = merged.items[0][kept], merged.sources[0][kept]
        alike = None
        if SIMILARITY in self._slots and SIMILARITY not in asked and not self._known(SIMILARITY):
            alike = similar_to(own, requests, np.zeros(len(rows), dtype=np.int64), rows)
        first = np.log2(bits & -bits).astype(np.int64)
        return Proposed(rows, bits, first, alike, np.array([user]), np.array([query]))

    def rank(
        self, ranker: Predictor, asked: Mapping[str, Any], proposed: Proposed
    ) -> tuple[dict[str, Array], Array]:
        """Return what is predicted of candidates, by objective, and their scores, ``[candidates]``."""
        predicted = ranker.predict_inputs(self.inputs(asked, proposed))
        return predicted, blend(predicted, ranker.plan.blend)

    def inputs(self, asked: Mapping[str, Any], proposed: Proposed) -> dict[str, Tensor]:
        """Return what the network reads of candidates."""
        count = len(proposed.rows)
        found = {
            key: np.zeros((count, width), dtype=np.float32 if key == "numeric" else np.int64)
            for key, width in self._widths.items()
        }
        for key, table in self._tables.items():
            table.fill(found, proposed.of(key))
        if proposed.alike is not None:
            key, place = self._slots[SIMILARITY]
            found[key][:, place] = self._encoding.scaled(place, proposed.alike)
        if self._sources is not None and "source" not in asked and not self._known("source"):
            key, place = self._slots["source"]
            found[key][:, place] = self._sources[proposed.first]
        for name, value in asked.items():
            if name in self._slots:
                key, place = self._slots[name]
                found[key][:, place] = self._encoding.one(name, value)
        return {key: torch.from_numpy(values) for key, values in found.items()}

    def _known(self, name: str) -> bool:
        return any(name in table.types for table in self._tables.values())

    def _shown(
        self, items: list[dict[str, Any]], asked: Mapping[str, Any], proposed: Proposed, best: Ids
    ) -> Shown:
        types, once, each = {}, {}, {}
        for key, table in self._tables.items():
            types.update(table.types)
            if key == "item":
                each.update(table.columns(proposed.rows[best]))
            else:
                once.update({name: own[0] for name, own in table.columns(proposed.of(key)).items()})
        if proposed.alike is not None:
            types[SIMILARITY], each[SIMILARITY] = NUMBER, proposed.alike[best].tolist()
        if not self._known("source"):
            names = self._retriever.proposer.plan.sources
            types["source"], each["source"] = TEXT, [names[source] for source in proposed.first[best]]
        for name, value in asked.items():
            each.pop(name, None)
            once[name] = value
            if value is not None:
                types[name] = _type_of(value)
        return Shown(items, types, once, each)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return TRUTH
    return TEXT if isinstance(value, str) else NUMBER if isinstance(value, float) else WHOLE


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
