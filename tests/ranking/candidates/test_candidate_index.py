"""Indexes: the exact one equals a sort of all products; faiss nearly does."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from sharewise.errors import ConfigError
from sharewise.ranking.candidates import index as module
from sharewise.ranking.candidates.index import ExactIndex, FaissIndex


def vectors(count: int, seed: int, size: int = 12) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("block", [1, 50, 1 << 20])
def test_exact_is_a_sort_of_all_products(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    items, queries = vectors(200, 0), vectors(17, 1)
    found = ExactIndex(items).search(queries, 9)
    products = (queries @ items.T).numpy()
    np.testing.assert_array_equal(found.items, np.argsort(-products, axis=1, kind="stable")[:, :9])
    np.testing.assert_allclose(found.scores, -np.sort(-products, axis=1)[:, :9], rtol=1e-5)


def test_equal_products_come_in_the_order_of_rows() -> None:
    found = ExactIndex(torch.ones(5, 3)).search(torch.ones(2, 3), 5)
    assert found.items.tolist() == [[0, 1, 2, 3, 4]] * 2


def test_few_items_and_no_queries() -> None:
    assert ExactIndex(vectors(3, 0)).search(vectors(2, 1), 10).items.shape == (2, 3)
    assert ExactIndex(vectors(3, 0)).search(vectors(0, 1), 2).items.shape == (0, 2)


@pytest.mark.parametrize("size", [1, 8, 33])
@pytest.mark.parametrize("count", [3000, 6000])  # multiplied as they are, and by codes
def test_faiss_finds_nearly_the_same_every_time(count: int, size: int) -> None:
    pytest.importorskip("faiss", reason="the extra 'ann' is not installed")
    items, queries = vectors(count, 0, size), vectors(100, 1, size)
    first, again = (FaissIndex(items).search(queries, 20).items for _ in range(2))
    exact = ExactIndex(items).search(queries, 20).items
    np.testing.assert_array_equal(first, again)
    by_codes = isinstance(FaissIndex(items)._index, pytest.importorskip("faiss").IndexRefineFlat)
    assert by_codes == (count >= module.LEAST and size >= module.LEAST_SIZE)
    assert np.mean([np.isin(a, b).mean() for a, b in zip(exact, first, strict=True)]) > 0.97
    found = FaissIndex(items).search(queries, 20)
    products = np.take_along_axis((queries @ items.T).numpy(), found.items, 1)
    np.testing.assert_allclose(found.scores, products, rtol=1e-4, atol=1e-5)  # exact, and the best first
    assert (np.diff(found.scores, axis=1) <= 1e-6).all()
    assert FaissIndex(items[:3]).search(queries, 20).items.shape == (100, 3)


def test_without_faiss_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ConfigError, match=r"sharewise\[ann\]"):
        FaissIndex(vectors(3, 0))
