"""Lists made a request at a time are those of `recommend`, with the same features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import rank_logs
from service_kit import CANDIDATES, learn_candidates, train_ranker

from sharewise.errors import DataError
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.candidates import load_candidates
from sharewise.ranking.prepared import Prepared
from sharewise.ranking.recommend import list_best
from sharewise.ranking.tables import plain

KINDS = {
    "tower": ("", "tower", CANDIDATES),
    "feature": ("", "feature", CANDIDATES),
    "nothing remembered": ('drop = ["views", "quality"]', "none", CANDIDATES),
    "hashed": ("hashed = { views = 50 }", "tower", CANDIDATES),
    "hashed beside the place": ("hashed = { item = 40, query = 50 }", "feature", CANDIDATES),
    "one remembered": ('drop = ["views"]', "tower", CANDIDATES),
}


@pytest.mark.parametrize("kind", KINDS)
def test_lists_are_those_of_recommend(kind: str, tmp_path: Path) -> None:
    log, bias, candidates = KINDS[kind]
    rank_logs.write(tmp_path / "log", 2)
    run = train_ranker(tmp_path, log=log, bias=bias)
    ranker, retriever = load_ranker(run), load_candidates(learn_candidates(tmp_path, candidates))
    prepared = Prepared(ranker.encoding, retriever)
    for user, query, device in ((3, 7, "tv"), (None, None, None), (10**12, -5, "fridge"), (0, None, "tv")):
        asked: dict[str, Any] = {"user": user, "query": query, "device": device}
        frame = pl.DataFrame(
            {name: [value] for name, value in asked.items()},
            schema={"user": pl.Int64, "query": pl.Int64, "device": pl.String},
        )
        expected = list_best(ranker, retriever, frame, 8)
        found = prepared.list_best(ranker, asked, 8)
        lists = expected.lists
        assert [one["item"] for one in found.items] == lists["item"].to_list()
        assert [one["position"] for one in found.items] == lists["rank"].to_list()
        assert [one["sources"] for one in found.items] == lists["sources"].to_list()
        for name in ranker.plan.tasks.names:
            own = [one["predictions"][name] for one in found.items]
            assert own == pytest.approx(lists[name].to_list(), rel=1e-5)
        assert [one["score"] for one in found.items] == pytest.approx(lists["score"].to_list(), rel=1e-5)
        features = plain(expected.features).to_dict(as_series=False)
        assert set(features) == {*found.once, *found.each}
        for name, values in features.items():
            own = found.each.get(name, [found.once.get(name)] * len(found.items))
            assert own == values, name


def test_what_a_request_says_comes_before_what_is_remembered(tmp_path: Path) -> None:
    rank_logs.write(tmp_path / "log", 2)
    run, candidates = train_ranker(tmp_path), learn_candidates(tmp_path)
    ranker, retriever = load_ranker(run), load_candidates(candidates)
    prepared = Prepared(ranker.encoding, retriever)
    asked = {"user": 3, "query": 7, "device": "tv", "views": 5, "quality": 0.25}
    frame = pl.DataFrame({name: [value] for name, value in asked.items()})
    expected = list_best(ranker, retriever, frame, 5)
    found = prepared.list_best(ranker, asked, 5)
    assert found.once["views"] == 5
    assert "views" not in found.each
    assert [one["item"] for one in found.items] == expected.lists["item"].to_list()
    assert [one["score"] for one in found.items] == pytest.approx(expected.lists["score"].to_list(), rel=1e-5)


def test_values_of_another_type_are_refused_by_columns_of_many(tmp_path: Path) -> None:
    rank_logs.write(tmp_path / "log", 1)
    ranker = load_ranker(train_ranker(tmp_path))
    retriever = load_candidates(learn_candidates(tmp_path))
    with pytest.raises(DataError):
        list_best(ranker, retriever, pl.DataFrame({"user": ["x"], "device": ["tv"]}), 5)
