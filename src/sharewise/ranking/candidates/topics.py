"""Topics: what shares topics with the query or, without one, with what was watched; popular ones first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse
from torch import Tensor

from sharewise.ranking.candidates.catalogue import Catalogue
from sharewise.ranking.candidates.generator import Generator
from sharewise.ranking.candidates.options import PopularOptions
from sharewise.ranking.candidates.ranked import Counts, heaviest, top_of_rows
from sharewise.ranking.candidates.requests import Found, Requests, Watches

#: Weight of an item that nobody watched.
UNWATCHED = 1e-3
#: Items of a topic that are looked at, as a multiple of those asked for.
DEEP = 2


class Topics(Generator):
    """Retrieval by topics: an item's score is its popularity times the weight of the topics that it shares.

    Args:
        catalogue: the items, with their topics.
        options: how popularity fades.
    """

    def __init__(self, catalogue: Catalogue, options: PopularOptions) -> None:
        super().__init__(catalogue)
        self._counts = Counts(options.half_life)
        self._within: dict[int, sparse.csr_matrix] = {}
        self._about: sparse.csr_matrix | None = None

    def learn(self, watches: Watches) -> None:
        self._counts.learn(watches.item, watches.time, watches.now, len(self.catalogue))
        self._forget()

    def propose(self, requests: Requests, count: int) -> Found:
        if self._about is None:
            self._about = self.catalogue.matrix
        about = self._about
        if count not in self._within:
            weights = sparse.diags(self._counts.values + UNWATCHED)
            self._within[count] = heaviest((about.T @ weights).tocsr(), DEEP * count)
        return top_of_rows((self._asked(requests, about) @ self._within[count]).tocsr(), count)

    def tensors(self) -> dict[str, Tensor]:
        return self._counts.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self._counts.load(tensors)
        self._forget()

    def _forget(self) -> None:
        """Forget what holds only until more is learnt."""
        self._about, self._within = None, {}

    def _asked(self, requests: Requests, about: sparse.csr_matrix) -> sparse.csr_matrix:
        """Return the weights of topics, ``[requests, topics]``."""
        told = np.diff(about.indptr) > 0
        total = about.shape[0]
        query = np.where((requests.query >= 0) & told[requests.query], requests.query, -1)[:, None]
        items = np.concatenate([query, np.where(query >= 0, -1, requests.past)], 1)
        kept = items >= 0
        ones = np.ones(int(kept.sum()))
        seeds = sparse.csr_matrix((ones, (np.nonzero(kept)[0], items[kept])), shape=(len(items), total))
        return seeds @ about
