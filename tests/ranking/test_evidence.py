"""The evidence of a run: what a page shows, as plain values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rank_logs import write
from rank_victim import PLAN as NO_TRUTH
from truth_kit import Ranked

from sharewise import files
from sharewise.errors import CheckpointError, DataError
from sharewise.nn import ModelOptions
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.evidence import evidence_of, kept_of, places, polarised, world_of
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.front import TuneOptions
from sharewise.ranking.options import BiasOptions, MeasureOptions
from sharewise.train import Run

OPTIONS = TuneOptions(draws=5)


def test_it_is_what_the_run_says_of_itself(ranked: Ranked) -> None:
    found, run = evidence_of(ranked.run, OPTIONS, ranked.truth), Run.open(ranked.run)
    assert found["metrics"] == run.read_json("metrics.json")
    assert found["history"] == run.history()
    assert found["set_aside"] == []
    assert set(found["polarised"]) == set(found["metrics"]["measures"]["tasks"])
    assert found["front"]["named"]["score"] == 0
    assert found["truth"]["orders"]["best mixture"]["ndcg"]["mixture"] == pytest.approx(1)
    json.loads(files.to_json(found))
    without = evidence_of(ranked.run, OPTIONS)
    assert without["truth"] is None
    assert "truth" not in without["front"]
    assert all("true" not in curve for curve in without["places"])


def test_calibration_is_in_the_metrics(ranked: Ranked) -> None:
    measures = Run.open(ranked.run).read_json("metrics.json")["measures"]
    assert set(measures["calibration"]) == {"click", "like", "dismiss"}
    bins = measures["calibration"]["click"]
    assert sum(one["rows"] for one in bins) == measures["tasks"]["click"]["rows"]
    means = [sum(one[key] * one["rows"] for one in bins) for key in ("predicted", "observed")]
    assert means[0] / means[1] == pytest.approx(measures["tasks"]["click"]["ratio"], rel=1e-6)
    assert [one["predicted"] for one in bins] == sorted(one["predicted"] for one in bins)


def test_curves_stand_beside_the_true_ones(ranked: Ranked) -> None:
    world = world_of(ranked.truth)
    assert world is not None
    found = {one["device"]: one for one in places(load_ranker(ranked.run), kept_of(ranked.run), world)}
    assert set(found) == {device["name"] for device in world["devices"]}
    for device in world["devices"]:
        curve = found[device["name"]]
        own = np.log(np.array(device["curve"])[np.array(curve["positions"]) - 1])
        np.testing.assert_allclose(curve["true"], own - own[0])
        assert curve["learned"][0] == 0
        assert curve["correlation"] == pytest.approx(np.corrcoef(own, curve["learned"])[0, 1])
    assert found["phone"]["correlation"] > 0.8


def test_a_run_without_tower_lists_or_gates(tmp_path: Path) -> None:
    write(tmp_path / "log", 3)
    plan = replace(
        NO_TRUTH,
        bias=BiasOptions(kind="none"),
        measure=MeasureOptions(group="none"),
        model=ModelOptions(sharing="shared_bottom", hidden=(8,), embedding=4),
    )
    fit_stream(tmp_path / "log", plan, folder=tmp_path / "run")
    found = evidence_of(tmp_path / "run", OPTIONS)
    assert found["places"] == []
    assert found["front"] is None
    assert found["polarised"] is None


def test_polarised_partitions_are_counted() -> None:
    gates = [None, {"polarised": ["a"]}, {"polarised": ["a", "b"]}]
    assert polarised([{"gates": own} for own in gates], ["a", "b", "c"]) == {"a": 2, "b": 1, "c": 0}
    assert polarised([{"gates": None}], ["a"]) is None


def test_what_is_missing_or_damaged_is_told(ranked: Ranked, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no finished run"):
        evidence_of(tmp_path, OPTIONS)
    assert world_of(tmp_path / "truth") is None
    (tmp_path / "world.json").write_text("{")
    with pytest.raises(DataError, match="no JSON"):
        world_of(tmp_path / "truth")
    (tmp_path / "world.json").unlink()
    with pytest.raises(DataError, match="no truth"):
        evidence_of(ranked.run, OPTIONS, tmp_path / "nowhere")
