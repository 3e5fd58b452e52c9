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
#: Items that codes choose for each that is asked for; of these the best are found exactly.
REFINED = 4
#: Items, and numbers of a vector, from which codes are learnt; fewer are quickly multiplied as they are.
LEAST, LEAST_SIZE = 4096, 8


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
    """All products by codes of four bits a number, and those of the best again exactly, by faiss.

    The codes are quantised products (Jégou et al. 2011) with a number a part, looked up in registers
    (André et al. 2017). A vector must not be zero: its products tell nothing apart.

    Raises:
        ConfigError: if faiss is not installed.
    """

    def __init__(self, vectors: Float[Tensor, "items size"]) -> None:
        faiss, size = _faiss(), vectors.shape[1]
        if len(vectors) < LEAST or size < LEAST_SIZE:
            self._index = faiss.IndexFlatIP(size)
        else:
            codes = faiss.IndexPQFastScan(size, size, 4, faiss.METRIC_INNER_PRODUCT)
            self._index = faiss.IndexRefineFlat(codes)
            self._index.k_factor = REFINED
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # one order of sums, one set of codes
        try:
            self._index.train(vectors.numpy())
            self._index.add(vectors.numpy())
        finally:
            faiss.omp_set_num_threads(threads)

    def search(self, queries: Float[Tensor, "queries size"], count: int) -> Found:
        count = min(count, self._index.ntotal)
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
