"""Co-watched: items that the same users watched shortly after one another, or beside the same query.

The weight of a pair is the sum over its watches of ``2^(-age / half-life)``; with c the weight of the pair
and a, b the sums of its items' pairs, their similarity is

    c / √(a b) · c / (c + shrink)

a cosine of weights, pulled to 0 where there is little to tell it from (Bell and Koren 2007, sec. 4.1, shrink
the same way).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from sharewise.ranking.candidates.catalogue import Catalogue
from sharewise.ranking.candidates.generator import Generator
from sharewise.ranking.candidates.options import CoWatchOptions
from sharewise.ranking.candidates.ranked import heaviest, top_of_rows
from sharewise.ranking.candidates.requests import Array, Found, Ids, Requests, Watches, aged

#: Pairs of less weight are forgotten.
LEAST = 1e-4


class CoWatched(Generator):
    """Sparse item-item retrieval.

    Args:
        catalogue: the items.
        options: of this source.
    """

    def __init__(self, catalogue: Catalogue, options: CoWatchOptions) -> None:
        super().__init__(catalogue)
        self._options = options
        self.pairs = sparse.csr_matrix((0, 0))
        self._now = 0.0
        self._similar: sparse.csr_matrix | None = None

    def learn(self, watches: Watches) -> None:
        total, now = len(self.catalogue), max(watches.now, self._now)
        faded = self.pairs * float(aged(np.float64(self._now), now, self._options.half_life))
        faded.resize(total, total)
        pairs = faded + self._pairs(watches, now, total)
        pairs.data[pairs.data < LEAST] = 0.0
        pairs.eliminate_zeros()
        self.pairs, self._now = heaviest(pairs.tocsr(), self._options.neighbours), now
        self._similar = None

    def propose(self, requests: Requests, count: int) -> Found:
        if len(requests) == 1:
            return self._propose_one(requests, count)
        return top_of_rows(self._scores(requests), count)

    def _propose_one(self, requests: Requests, count: int) -> Found:
        """Return what `propose` does for one request, without sparse matrices, which take long to make."""
        similar = self._settled()
        weight, item = self._asked(requests)
        kept = (weight[0] > 0) & (item[0] >= 0) & (item[0] < similar.shape[0])
        weights, items = weight[0][kept], item[0][kept]
        starts, ends = similar.indptr[items], similar.indptr[items + 1]
        parts = [slice(*bounds) for bounds in zip(starts.tolist(), ends.tolist(), strict=True)]
        if not parts:
            return Found(np.full((1, 0), -1, dtype=np.int64), np.zeros((1, 0)))
        near = np.concatenate([similar.indices[part] for part in parts])
        values = np.concatenate([w * similar.data[part] for w, part in zip(weights, parts, strict=True)])
        found, place = np.unique(near, return_inverse=True)
        scores: Array = np.bincount(place, values, minlength=len(found)).astype(np.float64)
        best = np.lexsort((found, -scores))[:count]
        return Found(found[best].astype(np.int64)[None], scores[best][None])

    def score(self, requests: Requests, row: Ids, items: Ids) -> Array:
        """Return the similarity of items with what requests ask with; 0 for items that are unknown.

        Args:
            requests: who asks.
            row: ``[rows]``, the number of the request that each item is for.
            items: ``[rows]``.
        """
        scores, total = self._scores(requests), self.pairs.shape[0]
        known = (items >= 0) & (items < total)
        found = np.zeros(len(items))
        if known.any():
            found[known] = np.asarray(scores[row[known], items[known]]).ravel()
        return found

    def tensors(self) -> dict[str, Tensor]:
        return {
            "start": torch.from_numpy(self.pairs.indptr.astype(np.int64)),
            "item": torch.from_numpy(self.pairs.indices.astype(np.int64)),
            "weight": torch.from_numpy(self.pairs.data),
            "now": torch.tensor([self._now], dtype=torch.float64),
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        own = tuple(tensors[name].numpy().copy() for name in ("weight", "item", "start"))
        self.pairs = sparse.csr_matrix(own, shape=(len(own[2]) - 1,) * 2)
        self._now, self._similar = float(tensors["now"]), None

    def _scores(self, requests: Requests) -> sparse.csr_matrix:
        similar = self._settled()
        return (self._seeds(requests) @ similar).tocsr()

    def _settled(self) -> sparse.csr_matrix:
        """Return the similarities: the same until more is learnt."""
        if self._similar is None:
            self._similar = self._similarities()
        return self._similar

    def _pairs(self, watches: Watches, now: float, total: int) -> sparse.csr_matrix:
        past = watches.asked.past[:, : self._options.window]
        query = watches.asked.query[:, None]
        before = np.concatenate([query, np.where(past == query, -1, past)], 1)
        after = np.broadcast_to(watches.item[:, None], before.shape)
        weight = np.broadcast_to(aged(watches.time, now, self._options.half_life)[:, None], before.shape)
        kept = (before >= 0) & (before != after)
        found = sparse.coo_matrix((weight[kept], (before[kept], after[kept])), shape=(total, total)).tocsr()
        return found + found.T.tocsr()

    def _similarities(self) -> sparse.csr_matrix:
        pairs = self.pairs.tocoo()
        weight = np.asarray(self.pairs.sum(1)).ravel()
        cosine = pairs.data / np.sqrt(weight[pairs.row] * weight[pairs.col].clip(LEAST))
        values = cosine * pairs.data / (pairs.data + self._options.shrink)
        return sparse.csr_matrix((values, (pairs.row, pairs.col)), shape=pairs.shape)

    def _seeds(self, requests: Requests) -> sparse.csr_matrix:
        """Return what is asked with, ``[requests, items]``: the query, and the user's last watches."""
        total, count = self.pairs.shape[0], len(requests)
        weight, item = self._asked(requests)
        kept = (weight > 0) & (item >= 0) & (item < total)
        return sparse.csr_matrix((weight[kept], (np.nonzero(kept)[0], item[kept])), shape=(count, total))

    def _asked(self, requests: Requests) -> tuple[Array, Ids]:
        """Return the weight of everything that is asked with, and what it is, ``[requests, items]``."""
        query = requests.query[:, None]
        share = np.where(query >= 0, self._options.beside, 1.0)
        known = (requests.past >= 0) & (requests.past != query)
        fading = known / (1.0 + np.arange(requests.past.shape[1]))
        past = share * fading / fading.sum(1, keepdims=True).clip(LEAST)
        weight = np.concatenate([(query >= 0).astype(np.float64), past], 1)
        return weight, np.concatenate([query, requests.past], 1)
