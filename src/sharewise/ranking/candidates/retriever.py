"""Retriever: candidates for users and queries by their own ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.ranking.candidates.proposer import Proposer
from sharewise.ranking.candidates.requests import Ids, Requests

Given = Sequence[Any] | NDArray[Any] | pl.Series


@dataclass(frozen=True)
class Candidates:
    """Items proposed for requests.

    Attributes:
        request: ``[candidates]``, the number of the request that each is for, from 0, in their order.
        item: ``[candidates]``, ids, the first ones those that came first in their source.
        rows: ``[candidates]``, the items' rows in the catalogue.
        bits: ``[candidates]``, bit s is set where source s proposed the item.
        sources: names of the sources, by bit.
    """

    request: Ids
    item: pl.Series
    rows: Ids
    bits: Ids
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.request)

    def frame(self) -> pl.DataFrame:
        """Return a row a candidate: request, item, and the names of its sources as a list."""
        names = [
            [n for bit, n in enumerate(self.sources) if i >> bit & 1] for i in range(1 << len(self.sources))
        ]
        table = pl.Series("sources", names, dtype=pl.List(pl.String))
        return pl.DataFrame({"request": self.request, "item": self.item, "sources": table.gather(self.bits)})


class Retriever:
    """Proposes items; what `load_candidates` gives.

    Args:
        proposer: what was learnt.
    """

    def __init__(self, proposer: Proposer) -> None:
        self.proposer = proposer

    def propose(self, users: Given, queries: Given | None = None, count: int | None = None) -> Candidates:
        """Return candidates for requests, a few hundred each.

        Args:
            users: ids ``[requests]``; None, or one never seen, for a stranger.
            queries: ids of what is being watched ``[requests]``; None for nothing.
            count: candidates of a request at most; by default as the run's configuration says.

        Raises:
            DataError: if there are not as many users as queries, or ids are of another type than the log's.

        Example:
            >>> found = load_candidates("runs/candidates").propose([7, 8], [1001, None], count=200)
            >>> found.frame()
        """
        own = self.proposer
        asked = self.requests(users, queries)
        merged = own.propose(asked, count)
        request, place = np.nonzero(merged.items >= 0)
        rows = merged.items[request, place]
        bits = merged.sources[request, place]
        return Candidates(request, own.catalogue.ids.values(rows), rows, bits, own.plan.sources)

    def requests(self, users: Given, queries: Given | None = None) -> Requests:
        """Return requests as sources read them; arguments and errors as in `propose`."""
        columns = self.proposer.columns
        who = _series("user", users, columns.user)
        what = _series("query", [None] * len(who) if queries is None else queries, columns.item)
        if len(who) != len(what):
            raise DataError(
                f"There are {len(who)} users and {len(what)} queries.",
                "Give a query, or None, for every user.",
            )
        return self.proposer.requests(who, what)


def _series(name: str, values: Given, kept: str) -> pl.Series:
    if isinstance(values, pl.Series):
        return values.alias(name)
    try:
        found = pl.Series(name, values, strict=True)
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"The ids '{name}' are of several types.", "Give them as the log has them."
        ) from error
    own = pl.Int64 if kept == "number" else pl.String
    return found.cast(own) if found.dtype == pl.Null else found
