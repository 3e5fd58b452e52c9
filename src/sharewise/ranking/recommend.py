"""recommend: candidates, their features, the ranker's predictions, the score: a ranked list a request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sharewise.errors import DataError
from sharewise.ranking.candidates.annotate import SIMILARITY, similar_to
from sharewise.ranking.candidates.proposer import KEYS
from sharewise.ranking.candidates.retriever import Candidates, Retriever
from sharewise.ranking.export import Predictor

#: Rows that are ranked at a time.
ROWS = 1 << 18
#: The number of a candidate among all of a call.
ROW = "candidate"


@dataclass(frozen=True)
class Listed:
    """Ranked lists with what was known of their items.

    Attributes:
        lists: as `recommend` returns them.
        features: a row a row of `lists`, under the log's names: what the request said, what the log last
            said of user, query and item, and ``source``, the first that proposed the item.
    """

    lists: pl.DataFrame
    features: pl.DataFrame


def recommend(
    ranker: Predictor,
    retriever: Retriever,
    requests: pl.DataFrame,
    count: int = 10,
    candidates: int | None = None,
) -> pl.DataFrame:
    """Return the best items for requests, with all that the ranker predicts of them and who proposed them.

    Features of items, queries and users are what the log last said of them, as far as the candidates' run
    remembers those columns; what a request itself says comes first.

    Args:
        ranker: trained.
        retriever: of candidates, from the same log.
        requests: ``user``, if there is one ``query``, and what else is known when the list is asked for, such
            as the device; under the log's names, or the file's own.
        count: items of a list.
        candidates: that are ranked for a request; by default as many as the candidates' run says.

    Returns:
        A row an item, request by request, the best first: ``request`` (its number, from 0), ``user``,
        ``query``, ``rank`` (from 1), ``item``, ``score``, every objective's prediction, ``sources``.

    Raises:
        DataError: if there are no users, or nobody says a feature that the ranker reads.
    """
    return list_best(ranker, retriever, requests, count, candidates).lists


def list_best(
    ranker: Predictor,
    retriever: Retriever,
    requests: pl.DataFrame,
    count: int = 10,
    candidates: int | None = None,
) -> Listed:
    """Return the best items with their features; arguments and errors as in `recommend`."""
    asked = _named(requests, ranker, retriever)
    if "user" not in asked.columns:
        raise DataError("The requests have no column 'user'.", "Add one; null stands for a stranger.")
    queries = asked["query"] if "query" in asked.columns else None
    found = retriever.propose(asked["user"], queries, candidates)
    features = _features(ranker, retriever, asked, found)
    needed = features.select(ranker.encoding.schema.features)
    starts = range(0, max(len(features), 1), ROWS)
    predicted = pl.concat([ranker.predict(needed[start : start + ROWS]) for start in starts])
    row = pl.Series(ROW, range(len(features)), dtype=pl.Int64)
    whole = pl.concat([found.frame(), predicted, row.to_frame()], how="horizontal")
    best = _best(whole, asked, count, list(predicted.columns))
    return Listed(best.drop(ROW), features[best[ROW]])


def _best(whole: pl.DataFrame, asked: pl.DataFrame, count: int, predicted: list[str]) -> pl.DataFrame:
    """Return the first `count` of each request by their score, of equal ones those proposed first."""
    ordered = whole.sort("request", "score", descending=[False, True], maintain_order=True)
    place = pl.int_range(1, pl.len() + 1).over("request")
    listed = ordered.with_columns(rank=place).filter(pl.col("rank") <= count)
    own = [name for name in ("user", "query") if name in asked.columns]
    who = asked.select(pl.int_range(pl.len(), dtype=pl.Int64).alias("request"), *own)
    others = [name for name in predicted if name != "score"]
    return listed.join(who, on="request", how="left", maintain_order="left").select(
        "request", *own, "rank", "item", "score", *others, "sources", ROW
    )


def _named(requests: pl.DataFrame, ranker: Predictor, retriever: Retriever) -> pl.DataFrame:
    """Return the requests under the log's names."""
    own = {**ranker.encoding.schema.own, **retriever.proposer.columns.own}
    names = {stored: name for name, stored in own.items() if stored in requests.columns}
    return requests.rename(names)


def _features(
    ranker: Predictor, retriever: Retriever, asked: pl.DataFrame, found: Candidates
) -> pl.DataFrame:
    """Return what is known of every candidate, ``[candidates]``, with all that the ranker reads."""
    proposer = retriever.proposer
    request = found.request
    parts = {name: asked[name].gather(request) for name in asked.columns}
    parts["item"] = found.item
    queries = asked["query"] if "query" in asked.columns else pl.Series([None] * len(asked), dtype=pl.Int64)
    rows = {
        "item": found.rows,
        "query": proposer.catalogue.ids.find(queries)[request],
        "user": proposer.users.find(asked["user"])[request],
    }
    for key in KEYS:
        for column in proposer.remembered(key, rows[key]).iter_columns():
            parts.setdefault(column.name, column)
    needed = ranker.encoding.schema.features
    if SIMILARITY in needed and SIMILARITY not in parts:
        requests = retriever.requests(asked["user"], queries)
        parts[SIMILARITY] = pl.Series(similar_to(proposer, requests, request, found.rows))
    lowest = np.log2(found.bits & -found.bits).astype(np.int64) if len(found) else found.bits
    parts.setdefault("source", pl.Series(found.sources, dtype=pl.String).gather(lowest))
    if "query" in needed:
        parts.setdefault("query", pl.Series([None] * len(found), dtype=pl.Int64))
    for name in needed:
        if name not in parts:
            raise DataError(
                f"The ranker reads '{name}', which neither the requests nor the candidates' run say.",
                f"Add a column '{name}' to the requests, or remember it by item, query or user.",
            )
    return pl.DataFrame({name: column.alias(name) for name, column in parts.items()})
