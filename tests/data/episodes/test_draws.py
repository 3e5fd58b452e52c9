from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from sharewise.data.episodes.draws import _of_those_left, _shuffled, distinct
from sharewise.streams import stream

Draw = Callable[[torch.Tensor, int, int, torch.Generator], torch.Tensor]


@given(
    count=st.integers(1, 12),
    more=st.lists(st.integers(0, 300), min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
def test_numbers_are_distinct_and_below_the_size(count: int, more: list[int], seed: int) -> None:
    sizes = torch.tensor([count + m for m in more])
    drawn = distinct(sizes, count, stream(seed, "draw"))
    assert drawn.shape == (len(more), count)
    assert bool((drawn >= 0).all())
    assert bool((drawn < sizes.unsqueeze(1)).all())
    assert all(len(set(row)) == count for row in drawn.tolist())


@pytest.mark.parametrize("drawn", [_of_those_left, _shuffled])
def test_both_ways_draw_all_sequences_alike(drawn: Draw) -> None:
    """Of 4 and of 5 numbers at once, 3 each."""
    sizes = torch.tensor([4, 5]).repeat(24_000)
    found = drawn(sizes, 5, 3, stream(0, "ways"))
    for own, size in ((found[::2], 4), (found[1::2], 5)):
        seen = Counter(map(tuple, own.tolist()))
        assert sorted(seen) == sorted(itertools.permutations(range(size), 3))
        assert chisquare(list(seen.values())).pvalue > 1e-3


@pytest.mark.parametrize("size", [3, 5, 40])
def test_all_sequences_are_alike(size: int) -> None:
    count = 2 if size == 40 else 3
    draws = 200 * len(list(itertools.permutations(range(size), count)))
    drawn = distinct(torch.full((draws,), size), count, stream(0, "law"))
    code = sum(drawn[:, k] * size**k for k in range(count))
    seen = torch.bincount(torch.as_tensor(code), minlength=size**count)
    allowed = [
        sum(number * size**k for k, number in enumerate(sequence))
        for sequence in itertools.permutations(range(size), count)
    ]
    assert int(seen[allowed].sum()) == draws
    assert chisquare(seen[allowed].numpy()).pvalue > 1e-3


def test_all_of_many_is_a_permutation_for_sizes_far_apart() -> None:
    """Of a set with no more than what is drawn, beside a far larger one."""
    drawn = distinct(torch.tensor([20, 100_000] * 50), 20, stream(0, "far"))
    assert all(sorted(row) == list(range(20)) for row in drawn[::2].tolist())
    whole = distinct(torch.full((3,), 200), 200, stream(0, "far"))
    assert all(sorted(row) == list(range(200)) for row in whole.tolist())
    first = torch.bincount(distinct(torch.tensor([6, 500] * 6_000), 6, stream(1, "far"))[::2, 0], minlength=6)
    assert chisquare(first.numpy()).pvalue > 1e-3


def test_any_leading_shape() -> None:
    assert distinct(torch.full((3, 4), 9), 2, stream(0, "shape")).shape == (3, 4, 2)
    assert distinct(torch.full((0,), 9), 2, stream(0, "shape")).shape == (0, 2)
