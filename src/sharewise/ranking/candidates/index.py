"""Indexes: the vectors of items that have the largest products with a query's vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.errors import ConfigError
from sharewise.ranking.candidates.requests import Found, taken

#: Products that are held at a time.
BLOCK = 1 << 24
#: Neighbours of an item in faiss's graph, and how many are looked at while it is built, and asked.
LINKS, BUILT, ASKED = 32, 80, 128


class Index(ABC):
    """Vectors to search in.

    Args:
        vectors: float32 ``[items, size]``.
    """

    @abstractmethod
    def __init__(self, vectors: Float[Tensor, "items size"]) -> None: ...

    @abstractmethod
    def search(self, queries: Float[Tensor, "queries size"], count: int) -> Found:
        """Return the items of the largest products, ``[queries, count or fewer]``, the largest first."""


class ExactIndex(Index):
    """All products, a block of queries at a time."""

    def __init__(self, vectors: Float[Tensor, "items size"]) -> None:
        self._vectors = vectors

    def search(self, queries: Float[Tensor, "queries size"], count: int) -> Found:
        count = min(count, len(self._vectors))
        rows = max(BLOCK // max(len(self._vectors), 1), 1)
        found = [(block @ self._vectors.T).topk(count) for block in torch.split(queries, rows)]
        if not found:
            return Found(np.zeros((0, count), dtype=np.int64), np.zeros((0, count)))
        values, items = (torch.cat(part).numpy() for part in zip(*found, strict=True))
        order = np.lexsort((items, -values))  # equal ones in the order of their rows
        items = taken(items, order)
        return Found(items, taken(values, order).astype(np.float64))


class FaissIndex(Index):
    """A graph of neighbours (HNSW, Malkov and Yashunin 2018) by faiss: fast for millions of items, nearly
    exact.

    Raises:
        ConfigError: if faiss is not installed.
    """

    def __init__(self, vectors: Float[Tensor, "items size"]) -> None:
        faiss = _faiss()
        self._index = faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = BUILT
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # threads link neighbours in the order of chance
        try:
            self._index.add(vectors.numpy())
        finally:
            faiss.omp_set_num_threads(threads)

    def search(self, queries: Float[Tensor, "queries size"], count: int) -> Found:
        count = min(count, self._index.ntotal)
        self._index.hnsw.efSearch = max(ASKED, count)
        values, items = self._index.search(queries.numpy(), count)
        return Found(items.astype(np.int64), np.where(items < 0, 0.0, values).astype(np.float64))


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(
            "The index 'faiss' is not installed.", "Install it with: pip install 'sharewise[ann]'"
        ) from error
    return faiss


#: By the names that a configuration has for them.
INDEX_CLASSES: dict[str, type[Index]] = {"exact": ExactIndex, "faiss": FaissIndex}
