"""A real server: lists as in Python, feedback that outlives kill -9, and a log that a ranker trains on."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from server_kit import Server
from service_kit import Trained, train_ranker

from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.candidates import load_candidates
from sharewise.ranking.recommend import recommend
from sharewise.ranking.service import FeedbackLog
from sharewise.ranking.service.feedback_log import microseconds


def test_lists_are_those_of_recommend(trained: Trained, tmp_path: Path) -> None:
    ranker, retriever = load_ranker(trained.run), load_candidates(trained.candidates)
    with Server(trained.ranker, trained.candidates, "--log", tmp_path / "log") as server:
        health = server.client.get("/health").json()
        assert health["engine"] == "onnxruntime"
        assert health["objectives"] == ["click", "like", "dismiss", "watch", "rating"]
        for user, query, device in ((3, 7, "tv"), (None, None, None), (10**12, -5, "fridge")):
            body = {"user": user, "query": query, "context": {"device": device}, "count": 6}
            answer = server.post("/recommend", body)
            assert answer.status_code == 200, answer.text
            asked = pl.DataFrame(
                {"user": [user], "query": [query], "device": [device]},
                schema={"user": pl.Int64, "query": pl.Int64, "device": pl.String},
            )
            expected = recommend(ranker, retriever, asked, 6)
            items = answer.json()["items"]
            assert [one["item"] for one in items] == expected["item"].to_list()
            assert [one["position"] for one in items] == [1, 2, 3, 4, 5, 6]
            assert [one["sources"] for one in items] == expected["sources"].to_list()
            for name in health["objectives"]:
                own = [one["predictions"][name] for one in items]
                assert own == pytest.approx(expected[name].to_list(), abs=1e-4)
        assert server.stop() == 0


def test_acknowledged_feedback_outlives_kill_9_and_is_there_once(trained: Trained, tmp_path: Path) -> None:
    sent: dict[tuple[int, int], bool] = {}
    for turn in range(3):
        with Server(trained.ranker, trained.candidates, "--log", tmp_path / "log") as server:
            for user in range(8):
                answer = server.post(
                    "/recommend", {"user": user, "context": {"device": "tv"}, "count": 4}
                ).json()
                events = [
                    {"item": one["item"], "clicked": place == turn, "watched": 9.5 if place == turn else None}
                    for place, one in enumerate(answer["items"])
                ]
                body = {"request": answer["request"], "events": events}
                for _ in range(1 + user % 2):  # every other one is sent twice, as after a lost answer
                    assert server.post("/feedback", body).status_code == 200
                sent.update({(answer["request"], one["item"]): one["clicked"] for one in events})
            server.kill()
    later = microseconds() + 7_200_000_000
    log = FeedbackLog(tmp_path / "log", now=lambda: later)
    log.close()
    written = pl.read_parquet(tmp_path / "log" / "*.parquet")
    found = {(r, i): c for r, i, c in written.select("request", "item", "clicked").iter_rows()}
    assert found == sent
    assert len(written) == len(sent) == 96
    assert not list((tmp_path / "log" / "journal").glob("*.jsonl"))
    assert written["watched"].drop_nulls().to_list() == [9.5] * 24
    assert written["quality"].null_count() == 0
    assert written["position"].sort().unique().to_list() == [1, 2, 3, 4]
    train_ranker(tmp_path)  # as `rank train` reads a log
    assert load_ranker(tmp_path / "ranker").predict(written)["click"].is_between(0, 1).all()
