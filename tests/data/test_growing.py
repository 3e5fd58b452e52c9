"""Vocabularies that grow, hashes, and moments that merge."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharewise.data.growing import GrowingVocabulary
from sharewise.data.hashed import hash_column
from sharewise.data.moments import Moments
from sharewise.errors import DataError


def frame(users: list[int | None], devices: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"user": users, "device": devices}, schema={"user": pl.Int64, "device": pl.String})


def learn(known: GrowingVocabulary, rows: pl.DataFrame) -> int:
    return known.learn(rows, known.encode(rows))


def vocabulary(most: int = 1000) -> GrowingVocabulary:
    return GrowingVocabulary({"user": "number", "device": "text"}, most)


def test_unknown_values_have_a_row_of_their_column() -> None:
    found = vocabulary().encode(frame([7, None], ["tv", None]))
    assert found.tolist() == [[0, 1], [0, 1]]


def test_new_values_take_the_next_rows_and_old_ones_keep_theirs() -> None:
    grown = vocabulary()
    assert learn(grown, frame([7, 3, 7], ["tv", "tv", None])) == 6
    before = grown.encode(frame([7, 3], ["tv", None]))
    assert before.tolist() == [[2, 4], [3, 5]]
    learn(grown, frame([9, 3], ["phone", "tv"]))
    assert grown.encode(frame([7, 3], ["tv", None])).tolist() == before.tolist()
    assert grown.encode(frame([9, 1], ["phone", "watch"])).tolist() == [[6, 7], [0, 1]]


def test_a_full_vocabulary_learns_no_more() -> None:
    full = vocabulary(most=4)
    assert learn(full, frame([1, 2, 3], ["tv", "tv", "tv"])) == 4
    assert full.encode(frame([2, 3], ["tv", "tv"])).tolist() == [[3, 1], [0, 1]]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=20))
def test_tensors_bring_all_back(users: list[int | None]) -> None:
    first, second = vocabulary(), vocabulary()
    rows = frame(users, [None if u is None else f"é\u0000{u}" for u in users])
    learn(first, rows)
    second.load(first.tensors())
    assert (second.encode(rows) == first.encode(rows)).all()
    assert second.rows == first.rows


@given(st.lists(st.lists(st.one_of(st.none(), st.integers(-5, 40), st.integers(0, 2**40)), max_size=9)))
def test_numbers_are_found_whatever_their_size(parts: list[list[int | None]]) -> None:
    known, expected = GrowingVocabulary({"user": "number"}, 10_000), {}
    for part in parts:
        rows = pl.DataFrame({"user": part}, schema={"user": pl.Int64})
        known.learn(rows, known.encode(rows))
        for value in part:
            expected.setdefault(value, len(expected) + 1)
        asked = pl.DataFrame({"user": [*expected, 77_777]}, schema={"user": pl.Int64})
        assert known.encode(asked)[:, 0].tolist() == [*expected.values(), 0]


def test_another_type_is_refused() -> None:
    with pytest.raises(DataError, match="user"):
        vocabulary().encode(pl.DataFrame({"user": ["a"], "device": ["tv"]}))


def test_hashes_are_equal_everywhere_and_differ_by_column() -> None:
    numbers = hash_column(pl.Series("a", [1, 2, None, 1]), 1000)
    texts = hash_column(pl.Series("a", ["x", "xy", None, "x"]), 1000)
    assert numbers.tolist() == [numbers[0], numbers[1], 0, numbers[0]]
    assert texts[0] == texts[3] != texts[1]
    assert texts[2] == 0
    assert (numbers[:2] != hash_column(pl.Series("b", [1, 2]), 1000)).all()
    many = hash_column(pl.Series("a", range(10_000)), 100)
    assert set(many.tolist()) == set(range(1, 101))


@given(st.integers(0, 10_000), st.lists(st.integers(0, 50), min_size=1, max_size=5))
def test_moments_of_parts_are_those_of_the_whole(seed: int, sizes: list[int]) -> None:
    chance = np.random.default_rng(seed)
    values = chance.normal(1000, 3, (sum(sizes), 2))
    values[chance.random(values.shape) < 0.2] = np.nan
    merged = Moments.empty(2)
    for part in np.split(values, np.cumsum(sizes)[:-1]):
        merged = merged.merge(Moments.of(part))
    whole = Moments.of(values)
    np.testing.assert_allclose(merged.mean, whole.mean, atol=1e-8)
    np.testing.assert_allclose(merged.squares, whole.squares, atol=1e-8)
    np.testing.assert_allclose(merged.scale, whole.scale, atol=1e-8)
