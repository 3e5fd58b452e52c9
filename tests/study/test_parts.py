"""Calibration, plans, splits as files, workers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sharewise.data import Table
from sharewise.errors import SharewiseError
from sharewise.nn import ModelOptions
from sharewise.study import StudyProgress
from sharewise.study.calibration import bins, calibration
from sharewise.study.plan import make_plan, name_structures
from sharewise.study.runner import Predicted, some
from sharewise.study.splits import StudyData
from sharewise.study.trial import Trial
from sharewise.study.workers import Workers
from sharewise.tasks import Task
from sharewise.train import TrainOptions


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=200), st.integers(0, 2**16))
def test_bins_keep_rows_and_means(values: list[float], seed: int) -> None:
    chance = np.random.default_rng(seed)
    predictions, targets = np.array(values), chance.normal(size=len(values))
    found = bins(predictions, targets, np.ones(len(values)))
    assert 1 <= len(found) <= 10
    assert sum(one["rows"] for one in found) == len(values)
    for key, of in (("predicted", predictions), ("observed", targets)):
        assert sum(one[key] * one["rows"] for one in found) == pytest.approx(of.sum(), abs=1e-6)
    assert [one["predicted"] for one in found] == sorted(one["predicted"] for one in found)


def test_weightless_rows_do_not_count() -> None:
    found = bins(np.arange(10.0), np.ones(10), np.array([0.0] * 5 + [1.0] * 5))
    assert all(one["predicted"] >= 5 for one in found)


def test_calibration_by_kind() -> None:
    chance = np.random.default_rng(0)
    p = chance.random((500, 1))
    binary = calibration(Task("a"), Predicted(p, (chance.random(500) < p[:, 0]).astype(float), np.ones(500)))
    assert binary["type"] == "probability"
    assert all(abs(one["predicted"] - one["observed"]) < 0.2 for one in binary["bins"])
    number = calibration(Task("b", "regression"), Predicted(p, p[:, 0] + 1, np.ones(500)))
    assert number["residuals"]["0.5"] == pytest.approx(1.0)
    classes = Task("c", "multiclass", classes=("x", "y"))
    certain = calibration(classes, Predicted(np.eye(2)[[0, 1]], np.array([0.0, 1.0]), np.ones(2)))
    assert certain["bins"] == [{"predicted": 1.0, "observed": 1.0, "rows": 2}]
    nothing = Predicted(np.zeros((0, 1)), np.zeros(0), np.zeros(0))
    assert calibration(Task("d"), nothing)["bins"] == []


def test_every_structure_gets_the_same_trials() -> None:
    plan = make_plan(["mmoe", "cgc"], TrainOptions(seed=5), 3, (1e-2, 1e-3, 1e-2), {"method": "equal"}, "d")
    assert list(plan.structures) == ["independent", "mmoe", "cgc"]
    search = plan.search()
    assert len(search) == 3 * 2
    assert {trial.train.seed for trial in search}.isdisjoint(plan.seeds)
    judged = plan.judged(dict.fromkeys(plan.structures, 1e-3))
    assert [trial.train.seed for trial in judged] == [5, 6, 7] * 3
    assert len({trial.name for trial in [*search, *judged]}) == len(search) + len(judged)


def test_no_search_with_one_rate() -> None:
    plan = make_plan(["mmoe"], TrainOptions(learning_rate=0.5), 1, (), {"method": "equal"}, "d")
    assert plan.rates == (0.5,)
    assert plan.search() == []


def test_names_tell_variants_apart_and_repeats_count_once() -> None:
    wide = ModelOptions(sharing="mmoe", hidden=(128, 64))
    named = name_structures(["mmoe", "mmoe", wide, "cgc", "independent"])
    assert list(named) == ["independent", "mmoe hidden=64x64", "mmoe hidden=128x64", "cgc"]


def test_trials_are_known_by_what_decides_them() -> None:
    trial = Trial("mmoe", ModelOptions(), TrainOptions(), {"method": "equal"}, "d")
    same = Trial.from_dict(trial.to_dict())
    assert same == trial
    assert same.digest == trial.digest
    other = Trial("mmoe", ModelOptions(experts=3), TrainOptions(), {"method": "equal"}, "d")
    assert other.digest != trial.digest
    odd = Trial("a/b c=(1, 2)", ModelOptions(), TrainOptions(), {"method": "equal"}, "d")
    assert not set(odd.name) & set("/ (),")


def test_splits_come_back_from_files_as_they_were(table: Table, tmp_path: Path) -> None:
    data = StudyData.of(table)
    data.save(tmp_path)
    again = StudyData.load(tmp_path)
    assert again.tasks == data.tasks
    assert again.inputs == data.inputs
    assert again.digest() == data.digest()
    assert np.array_equal(again.clusters, data.clusters)  # type: ignore[arg-type]
    for split in ("train", "valid", "test"):
        one, other = getattr(data, split), getattr(again, split)
        assert one.inputs.keys() == other.inputs.keys()
        assert all(torch.equal(one.inputs[key], other.inputs[key]) for key in one.inputs)
        assert torch.equal(one.targets, other.targets)
        assert torch.equal(one.mask, other.mask)


def test_some_rows_are_always_the_same(table: Table) -> None:
    one, other = some(table.train, 50), some(table.train, 50)
    assert len(one) == 50
    assert torch.equal(one.targets, other.targets)
    assert some(table.train, 10**9) is table.train


def test_a_worker_that_dies_is_reported(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with (
        Workers(StudyData.of(table), 2, 1, StudyProgress()) as workers,
        pytest.raises(SharewiseError, match=r"worker that ran '[xy]' ended"),
    ):
        workers.do("train", [("x", {"action": "train"}), ("y", {"action": "train"})])
