"""Topics, popular, fresh, and the catalogue that they read."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from candidate_kit import asking, items_of, watching

from sharewise.ranking.candidates import PopularOptions, TopicOptions
from sharewise.ranking.candidates.catalogue import Catalogue
from sharewise.ranking.candidates.generator import Generator
from sharewise.ranking.candidates.popular import Fresh, Popular
from sharewise.ranking.candidates.topics import Topics


def teach(source: Generator, items: list[int], time: list[float], now: float | None = None) -> None:
    rows = np.full(len(items), -1)
    past = np.full((len(items), 1), -1)
    source.learn(watching(rows, rows, np.array(items, dtype=np.int64), past, np.array(time), now))


def test_popular_counts_half_after_a_half_life() -> None:
    source = Popular(items_of(5), PopularOptions(half_life=2.0))
    teach(source, [0, 0, 0, 1], [0.0, 0.0, 0.0, 1.0])
    teach(source, [1, 2], [2.0, 4.0])
    found = source.propose(asking([-1, 3]), 5)
    expected = {0: 3 / 4, 1: 2**-1.5 + 2**-1.0, 2: 1.0}
    order = sorted(expected, key=lambda item: -expected[item])
    assert found.items.tolist() == [order, order]
    np.testing.assert_allclose(found.scores[0], [expected[item] for item in order])


def test_time_passes_where_nothing_is_watched() -> None:
    source = Popular(items_of(3), PopularOptions(half_life=1.0))
    teach(source, [0, 0], [0.0, 0.0])
    teach(source, [], [], now=3.0)
    assert source.propose(asking([-1]), 3).scores.tolist() == [[0.25]]


def test_fresh_is_the_order_of_coming_backwards() -> None:
    catalogue = items_of(3)
    catalogue.learn(pl.DataFrame({"item": [1, 8, 9, 0], "query": [None, 7, 8, None]}))
    found = Fresh(catalogue).propose(asking([-1]), 4).items
    assert catalogue.ids.values(found[0]).to_list() == [7, 9, 8, 2]


def test_topics_of_the_query_or_else_of_the_past() -> None:
    source = Topics(items_of(6, kind=["a", "a", "b", "b", None, "a"]), PopularOptions(half_life=1e9))
    teach(source, [1, 1, 5, 2], [0.0] * 4)
    found = source.propose(asking([0, -1, 4, -1], [[2], [2, 3], [3], []]), 4).items
    assert [row[row >= 0].tolist() for row in found] == [[1, 5, 0], [2, 3], [2, 3], []]


def test_several_topics_of_an_item_add_up() -> None:
    catalogue = Catalogue("text", TopicOptions(columns=("kinds", "new"), separator="|"))
    frame = pl.DataFrame(
        {"item": list("pqrs"), "kinds": ["a|b", "b", "a|b|", "c"], "new": [True, False, None, True]}
    )
    catalogue.learn(frame)
    catalogue.learn(frame.with_columns(kinds=pl.lit("c")))  # what came first holds
    shared = (catalogue.matrix @ catalogue.matrix.T).toarray()
    assert shared.tolist() == [[3, 1, 2, 1], [1, 1, 1, 0], [2, 1, 2, 0], [1, 0, 0, 2]]
    assert [sorted(row) for row in catalogue.padded()[[1, 3]].tolist()] == [[-1, -1, 1], [-1, 2, 3]]


@pytest.mark.parametrize("values", [[3, 1, None], ["x", "", None]])
def test_a_catalogue_comes_back(values: list[object]) -> None:
    kept = "number" if isinstance(values[0], int) else "text"
    options = TopicOptions(columns=("kind",))
    first, other = Catalogue(kept, options), Catalogue(kept, options)
    first.learn(pl.DataFrame({"item": values, "kind": ["a", "b", "c"]}))
    other.load(first.tensors())
    assert len(other) == 2  # what has no id is no item
    rows = np.array([1, 0, -1])
    assert other.ids.values(rows).to_list() == [values[1], values[0], None]
    np.testing.assert_array_equal(other.matrix.toarray(), first.matrix.toarray())
    for catalogue in (first, other):
        catalogue.learn(pl.DataFrame({"item": [*values, 9 if kept == "number" else "z"], "kind": ["d"] * 4}))
    np.testing.assert_array_equal(other.padded(), first.padded())
