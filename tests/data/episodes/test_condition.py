from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharewise.data.episodes import Condition, differences
from sharewise.errors import ConfigError
from sharewise.streams import stream


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"shots": -1}, r"shots = -1.*from 0 on"),
        ({"shots": (3, 1)}, r"shots = \(3, 1\).*rising pair"),
        ({"shots": (1, 2, 3)}, "rising pair"),
        ({"shots": 2.5}, "whole number"),
        ({"shots": True}, "whole number"),
        ({"shots": (True, 3)}, "whole number"),
        ({"queries": 0}, "queries = 0"),
        ({"queries": (1, 5)}, r"Use a whole number from 1 on\.$"),
        ({"ways": 1}, r"ways = 1.*from 2 on"),
        ({"ways": (1, 5)}, "ways"),
        ({"ways": "5"}, "ways"),
    ],
)
def test_numbers_that_cannot_be(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Condition(**values)


def test_lists_are_pairs() -> None:
    condition = Condition(shots=[1, 5], ways=[2, 20])  # type: ignore[arg-type]
    assert (condition.shots, condition.ways) == ((1, 5), (2, 20))
    assert (condition.most_shots, condition.most_ways, condition.fixed) == (5, 20, False)
    assert Condition(**condition.to_dict()) == condition
    assert (Condition().most_ways, Condition().fixed) == (0, True)


@given(low=st.integers(1, 5), more=st.integers(0, 5), ways=st.integers(2, 6), seed=st.integers(0, 9))
def test_draws_are_in_range(low: int, more: int, ways: int, seed: int) -> None:
    condition = Condition(shots=(low, low + more), ways=(ways, ways + more))
    drawn = condition.draw(stream(seed, "draw"))
    assert ways <= drawn[0] <= ways + more
    assert low <= drawn[1] <= low + more
    assert condition.draw(stream(seed, "draw")) == drawn


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        (Condition(5, 15, 5), Condition(5, 15, 5), []),
        (Condition((1, 5), 15, 5), Condition(3, 15, 5), []),
        (Condition(5, 15, 5), Condition(1, 15, 5), ["shots: trained with 5, tested with 1"]),
        (Condition(5, 15, 5), Condition((1, 5), 15, 5), ["shots: trained with 5, tested with 1 to 5"]),
        (Condition(5, 15, 20), Condition(5, 15, 5), ["ways: trained with 20, tested with 5"]),
        (Condition(5, 5), Condition(5, 15), ["queries: trained with 5, tested with 15"]),
        (Condition(5, 15), Condition(5, 15, 5), ["ways: trained with none, tested with 5"]),
        (Condition(1, 5, 5), Condition(2, 6, 7), ["ways", "shots", "queries"]),
    ],
)
def test_differences_are_named(train: Condition, test: Condition, words: list[str]) -> None:
    found = differences(train, test)
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))


@given(sizes=st.lists(st.integers(1, 9), min_size=4, max_size=4))
def test_what_lies_within_the_training_range_is_no_difference(sizes: list[int]) -> None:
    outer, inner = sorted(sizes)[::3], sorted(sizes)[1:3]
    train, test = (Condition(shots=(ends[0], ends[1])) for ends in (outer, inner))
    assert differences(train, test) == []
    assert bool(differences(test, train)) == (outer != inner)
