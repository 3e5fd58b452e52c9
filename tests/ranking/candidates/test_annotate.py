"""The similarity that candidates know, as a feature of the log: of the past alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from candidate_kit import PLAN, log_partition, write_log

from sharewise.errors import ConfigError, DataError
from sharewise.nn import ModelOptions
from sharewise.ranking.candidates import fit_candidates
from sharewise.ranking.candidates.annotate import SIMILARITY, annotate_log, similar_to
from sharewise.ranking.candidates.retriever import Retriever
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.options import LogOptions, StreamOptions
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.recommend import recommend


def annotated(folder: Path, name: str = "out") -> list[pl.DataFrame]:
    annotate_log(folder, PLAN, folder.parent / name)
    return [pl.read_parquet(path) for path in sorted((folder.parent / name).iterdir())]


def test_rows_are_kept_and_the_first_partition_knows_nothing(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", 3)
    found = annotated(log)
    for number, frame in enumerate(found):
        assert frame.drop(SIMILARITY).equals(log_partition(number).sort("time", maintain_order=True))
    assert (found[0][SIMILARITY] == 0).all()
    assert 0.3 < (found[2][SIMILARITY] > 0).mean() < 1
    assert found[2].filter("clicked")[SIMILARITY].mean() > 1.5 * found[2][SIMILARITY].mean()


def test_each_row_has_the_similarity_to_what_its_user_had_watched(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", 2)
    before = fit_candidates(log, PLAN).retriever
    assert before is not None
    write_log(log, 1, first=2)
    frame, proposer = annotated(log)[2], before.proposer
    for row in frame.gather_every(23).iter_rows(named=True):
        asked = before.requests([row["user"]], [row["query"]])
        own = frame.filter("clicked", pl.col("user") == row["user"], pl.col("time") < row["time"])
        past = [*proposer.catalogue.ids.find(own["item"].reverse()), *asked.past[0]][: proposer.width]
        live = replace(asked, past=np.array([past]))
        item = proposer.catalogue.ids.find(pl.Series([row["item"]]))
        expected = similar_to(proposer, live, np.zeros(1, dtype=np.int64), item)
        assert row[SIMILARITY] == pytest.approx(expected[0], rel=1e-9, abs=1e-12)


def test_nothing_of_the_list_itself_or_of_the_future_is_in_it(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", 2)
    usual = annotated(log)[1]
    cut = usual["time"].unique().sort()[20]
    other = log_partition(1).with_columns(
        clicked=pl.when(pl.col("time") < cut).then("clicked").otherwise(~pl.col("clicked"))
    )
    other.write_parquet(log / "hour-01.parquet")
    found = annotated(log, "other")[1]
    early = usual["time"] <= cut  # the list at the moment of the cut has other clicks, and the same features
    assert usual.filter(early)[SIMILARITY].equals(found.filter(early)[SIMILARITY])
    assert not usual[SIMILARITY].equals(found[SIMILARITY])


def test_recommending_gives_it_to_rankers_that_read_it(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", 3)
    annotate_log(log, PLAN, tmp_path / "out")
    remember = replace(PLAN, candidates=replace(PLAN.candidates, remember_item=("kind", "length")))
    retriever = fit_candidates(log, remember).retriever
    assert retriever is not None
    plan = RankPlan(
        log=LogOptions(drop=("device",)),
        model=ModelOptions(sharing="shared_bottom", hidden=(8,), embedding=4),
        train=StreamOptions(batch_size=128, device="cpu"),
    )
    ranker = fit_stream(tmp_path / "out", plan).ranker
    assert ranker is not None
    assert SIMILARITY in ranker.encoding.schema.features
    requests = pl.DataFrame(
        {"user": [1, 2], "query": [4, None]}, schema={"user": pl.Int64, "query": pl.Int64}
    )
    found = recommend(ranker, retriever, requests, 3)
    told = recommend(ranker, retriever, requests.with_columns(pl.lit(0.9).alias(SIMILARITY)), 3)
    assert len(found) == 6
    assert not found["score"].equals(told["score"])
    without = Retriever(
        fit_candidates(
            log, replace(remember, candidates=replace(remember.candidates, sources={"popular": 1.0}))
        ).proposer
    )  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no source 'co_watched'"):
        recommend(ranker, without, requests, 3)


def test_what_cannot_be_annotated(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", 2)
    annotate_log(log, PLAN, tmp_path / "out")
    with pytest.raises(ConfigError, match="has a column 'co_watched' already"):
        annotate_log(tmp_path / "out", PLAN, tmp_path / "again")
    log_partition(2).drop("clicked").write_parquet(log / "hour-02.parquet")
    with pytest.raises(DataError, match="hour-02"):
        annotate_log(log, PLAN, tmp_path / "third")
    assert len(list((tmp_path / "third").iterdir())) == 2
