"""The page of a ranker: its numbers are those of its evidence, and it is whole without any of its parts."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from test_page import Page, lookup, shown_value

from sharewise.ranking.evidence import evidence_of
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.front import TuneOptions
from sharewise.ranking.options import BiasOptions, MeasureOptions, StreamOptions
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.world import WorldOptions, write_world
from sharewise.report import render_ranking, write_ranking_page
from sharewise.train import Run

CONFIG = '[log]\nsource = "<log> & more"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranking-page")
    options = WorldOptions(users=200, videos=80, topics=5, hours=4, requests_per_hour=200, slate=6)
    write_world(options, folder / "world")
    (folder / "world/log/0-broken.parquet").write_bytes(b"half a file")
    plan = RankPlan(
        bias=BiasOptions(rate=3.0),
        measure=MeasureOptions(alarm=0.2, k=5),
        train=StreamOptions(batch_size=128, learning_rate=1e-2, device="cpu"),
    )
    fit_stream(folder / "world/log", plan, folder=folder / "run")
    return folder


@pytest.fixture(scope="module")
def ranking(folder: Path) -> dict[str, Any]:
    return evidence_of(folder / "run", TuneOptions(draws=12), folder / "world/truth")


def test_numbers_are_those_of_the_evidence_and_of_the_metrics(
    ranking: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    beside = write_ranking_page(tmp_path / "page.html", ranking, CONFIG)
    assert beside == tmp_path / "page.json"
    stored = json.loads(beside.read_bytes())
    assert stored["metrics"] == Run.open(folder / "run").read_json("metrics.json")
    numbers = Page((tmp_path / "page.html").read_text(encoding="utf-8")).numbers
    assert len(numbers) > 250
    for pointer, value, text in numbers:
        found = lookup(stored, pointer)
        assert json.loads(value) == pytest.approx(found), pointer
        factor = 100 if text.endswith("%") else 1
        shown = shown_value(text.removesuffix("%"))
        assert shown == pytest.approx(factor * found, rel=1e-3, abs=0.00051), pointer


def test_every_measure_is_on_the_page(ranking: dict[str, Any]) -> None:
    places = {pointer for pointer, _, _ in Page(render_ranking(ranking, CONFIG, "page.json")).numbers}
    for task, own in ranking["metrics"]["measures"]["tasks"].items():
        for name in {"auc", "r2", "log_loss", "squared_error", "ratio", "ece"} & set(own):
            assert f"/metrics/measures/tasks/{task}/{name}" in places
    for order in ranking["truth"]["orders"]:
        assert f"/truth/orders/{order}/ndcg/satisfaction" in places
    for device in range(len(ranking["places"])):
        assert f"/places/{device}/correlation" in places


def test_it_is_whole_in_itself(ranking: dict[str, Any]) -> None:
    text = render_ranking(ranking, CONFIG, "page.json")
    page = Page(text)
    assert not page.open
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe"}
    assert not [v for _, values in page.tags for v in (values.get("src"), values.get("href")) if v]
    assert "&lt;log&gt; &amp; more" in text
    idents = [values["id"] for _, values in page.tags if "id" in values]
    assert len(idents) == len(set(idents))
    assert "0-broken.parquet" in text
    for title in ("Largest weight of a gate", "NDCG@5 of the score against the truth", "Position on phone"):
        assert title in text
    assert all("viewBox" in values or "viewbox" in values for tag, values in page.tags if tag == "svg")


@pytest.mark.parametrize(
    "missing", [{"truth": None}, {"front": None}, {"places": []}, {"polarised": None}, {"set_aside": []}]
)
def test_parts_may_be_missing(ranking: dict[str, Any], missing: dict[str, Any]) -> None:
    less = copy.deepcopy(ranking) | missing
    if "polarised" in missing:
        less["history"] = [{**record, "gates": None} for record in less["history"]]
    if "truth" in missing:
        del less["front"]["truth"]
        for curve in less["places"]:
            del curve["true"], curve["correlation"]
    page = Page(render_ranking(less, "", "page.json"))
    assert not page.open
    for pointer, value, _ in page.numbers:
        assert json.loads(value) == lookup(less, pointer)
