"""A study from a table to its evidence: deterministic, resumable, blind to the test split until the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from small_table import TRAIN, make_frame, make_table

from sharewise import files
from sharewise.data import Features, Table
from sharewise.errors import ConfigError, DataError, DivergedError
from sharewise.nn import STRUCTURES, ModelOptions
from sharewise.study import Comparison, StudyProgress, compare
from sharewise.tasks import Custom, Task
from sharewise.train import TrainOptions, evaluate

ARGUMENTS: dict[str, Any] = {"train": TRAIN, "seeds": 2, "learning_rates": (3e-3, 1e-2)}


class Counting(StudyProgress):
    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.trials: list[str] = []
        self.closed = False

    def stage(self, name: str, trials: int) -> None:
        self.stages.append((name, trials))

    def done(self, trial: str) -> None:
        self.trials.append(trial)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def comparison(table: Table, folder: Path) -> Comparison:
    options = [ModelOptions(sharing=name, hidden=(8,), experts=3) for name in ("shared_bottom", "mmoe")]
    return compare(table, options, folder=folder, **ARGUMENTS)


def test_evidence_has_all_that_it_promises(comparison: Comparison) -> None:
    found = comparison.to_dict()
    documented = (Comparison.to_dict.__doc__ or "").split("* ``", 1)[1]
    for key in found:
        assert f"``{key}``" in f"``{documented}", key
    assert [one["name"] for one in found["structures"]] == ["independent", "shared_bottom", "mmoe"]
    assert [task["metric"] for task in found["tasks"]] == ["auc", "r2", "d2", "accuracy"]
    assert len(found["effects"]) == 2 * 4
    assert set(found["gates"]) == {"mmoe"}
    assert found["clusters"] == len(set(make_table().clusters("test").tolist()))  # type: ignore[union-attr]
    assert set(found["search"]["mmoe"]) == {"0.003", "0.01"}


def test_evidence_is_plain_json(comparison: Comparison) -> None:
    assert json.loads(files.to_json(comparison.to_dict())) == comparison.to_dict()


def test_results_are_those_of_the_trained_models(comparison: Comparison, table: Table, folder: Path) -> None:
    found = comparison.to_dict()
    best = evaluate(comparison.model, table.test, table.tasks)
    seed = found["seeds"].index(found["best"]["seed"])
    for task in best.tasks:
        values = found["results"][comparison.best][task.name]["values"]
        assert values[seed] == pytest.approx(task.effect.value, rel=1e-9)
    assert (folder / "model.safetensors").is_file()


def test_differences_are_paired_means(comparison: Comparison) -> None:
    found = comparison.to_dict()
    for effect in found["effects"]:
        own = found["results"][effect["structure"]][effect["task"]]["mean"]
        base = found["results"]["independent"][effect["task"]]["mean"]
        assert effect["difference"] == pytest.approx(own - base, abs=1e-12)
        assert effect["low"] < effect["difference"] < effect["high"]


def test_budget_is_equal(comparison: Comparison) -> None:
    found = comparison.to_dict()
    assert {len(own) for own in found["search"].values()} == {2}
    assert {len(own) for own in found["curves"].values()} == {2}
    for one in found["structures"]:
        best = max(found["search"][one["name"]].items(), key=lambda pair: pair[1])
        assert one["learning_rate"] == float(best[0])


def test_best_is_chosen_on_validation(comparison: Comparison) -> None:
    scores = {one["name"]: one["score"]["mean"] for one in comparison.to_dict()["structures"]}
    assert comparison.best == max(scores, key=lambda name: scores[name])


def test_verdicts_by_task(comparison: Comparison) -> None:
    assert set(comparison.verdicts("mmoe")) == {"late", "delay", "stops", "class"}
    with pytest.raises(ConfigError, match="was not compared"):
        comparison.verdicts("cgc")


def test_a_finished_study_is_read_not_run(
    comparison: Comparison, table: Table, folder: Path, structures: list[ModelOptions]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "trials").rglob("*")}
    again = compare(table, structures, folder=folder, **ARGUMENTS)
    assert again.to_dict() == comparison.to_dict()
    assert {path: path.stat().st_mtime_ns for path in (folder / "trials").rglob("*")} == before


def test_result_does_not_depend_on_jobs_or_folder(
    comparison: Comparison, table: Table, structures: list[ModelOptions]
) -> None:
    progress = Counting()
    again = compare(table, structures, jobs=2, progress=progress, **ARGUMENTS)
    assert files.to_json(again.to_dict()) == files.to_json(comparison.to_dict())
    assert progress.stages == [("search", 6), ("train", 6), ("test", 6)]
    assert len(progress.trials) == 18
    assert progress.closed
    for name, value in comparison.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name])


def test_a_damaged_trial_is_made_again(
    comparison: Comparison, table: Table, folder: Path, structures: list[ModelOptions]
) -> None:
    trial = folder / "trials" / comparison.to_dict()["best"]["trial"]
    weights = trial / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    again = compare(table, structures, folder=folder, **ARGUMENTS)
    assert again.to_dict() == comparison.to_dict()


def test_test_labels_change_no_choice(comparison: Comparison, structures: list[ModelOptions]) -> None:
    frame = make_frame()
    days = pl.Series(sorted(make_test_days(frame)))
    changed = frame.with_columns(
        pl.when(pl.col("day").is_in(days.implode()))
        .then(-pl.col("delay"))
        .otherwise(pl.col("delay"))
        .alias("delay")
    )
    again = compare(make_table(changed), structures, **ARGUMENTS)
    before, after = comparison.to_dict(), again.to_dict()
    for key in ("search", "curves", "gates", "structures"):
        assert before[key] == after[key]
    assert {**before["best"], "trial": ""} == {**after["best"], "trial": ""}
    assert before["results"]["mmoe"]["delay"] != after["results"]["mmoe"]["delay"]


def make_test_days(frame: pl.DataFrame) -> set[int]:
    from sharewise.data import GroupSplit

    assigned = GroupSplit("day", 0.2, 0.3).assign(frame)
    return set(frame.filter(assigned == "test")["day"].to_list())


def test_baseline_is_added_with_the_others_sizes(table: Table, structures: list[ModelOptions]) -> None:
    found = compare(table, structures[:1], train=TRAIN, seeds=1).to_dict()
    assert [one["name"] for one in found["structures"]] == ["independent", "shared_bottom"]
    assert found["structures"][0]["options"]["hidden"] == [8]
    assert found["search"] == {}
    assert {effect["verdict"] for effect in found["effects"]} == {"can't tell"}
    assert any(one["topic"] == "more evidence" for one in found["verdict"]["advice"])


def test_structure_variants_have_names_of_their_own(table: Table) -> None:
    options = [ModelOptions(sharing="mmoe", hidden=(8,), experts=n) for n in (2, 3)]
    found = compare(table, options, train=TRAIN, seeds=1).to_dict()
    assert [one["name"] for one in found["structures"]] == ["independent", "mmoe experts=2", "mmoe experts=3"]


def test_disjoint_tables_are_compared(structures: list[ModelOptions]) -> None:
    frame = make_frame(900).with_columns(team=pl.int_range(900) % 3).cast({"team": pl.String})
    data = Table(
        frame, [Task("delay", "regression")], features=Features(keep=("x0", "x1", "x2")), task_column="team"
    )
    found = compare(data, structures[1:], train=TRAIN, seeds=2).to_dict()
    assert len(found["tasks"]) == 3
    assert found["clusters"] is None
    assert all(found["calibration"][task["name"]]["bins"] for task in found["tasks"])


def test_kinds_of_ones_own_run_in_this_process(structures: list[ModelOptions]) -> None:
    tasks = [Task("delay", Custom()), Task("stops", "count")]
    data = Table(make_frame(), tasks, features=Features(keep=("x0", "x1", "x2")))
    notes: list[str] = []

    class Noting(StudyProgress):
        def note(self, text: str) -> None:
            notes.append(text)

    found = compare(data, structures[:1], train=TrainOptions(epochs=1), seeds=1, jobs=2, progress=Noting())
    assert found.to_dict()["tasks"][0]["metric"] == "explained"
    assert "one trial runs at a time" in notes[0]


def test_divergence_names_the_structure(table: Table, structures: list[ModelOptions]) -> None:
    wild = TrainOptions(epochs=2, batch_size=64, learning_rate=1e30)
    with pytest.raises(DivergedError, match="'independent' with seed 0"):
        compare(table, structures, train=wild, seeds=1)


def test_a_learning_rate_that_diverges_is_not_chosen(table: Table, structures: list[ModelOptions]) -> None:
    found = compare(table, structures[:1], train=TRAIN, seeds=1, learning_rates=(1e-2, 1e30)).to_dict()
    assert {one["learning_rate"] for one in found["structures"]} == {1e-2}
    assert found["search"]["independent"]["1e+30"] is None


@pytest.mark.parametrize(
    "names, more, words",
    [
        ([], {}, "nothing to compare"),
        (["independent"], {}, "nothing to compare"),
        (["mmoe"], {"seeds": 0}, "0 seeds"),
        (["mmoe"], {"jobs": 0}, "0 jobs"),
        (["mmoe"], {"learning_rates": (0.0,)}, "Learning rates"),
        (["moe"], {}, "Did you mean"),
        (["mmoe"], {"balance": {"method": "none"}}, "is unknown"),
    ],
)
def test_mistakes_are_told(table: Table, names: list[str], more: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compare(table, names, train=TRAIN, **{"seeds": 1, **more})


def test_no_test_labels_is_a_mistake(structures: list[ModelOptions]) -> None:
    frame = make_frame()
    days = list(make_test_days(frame))
    blank = frame.with_columns(
        pl.when(~pl.col("day").is_in(days)).then(pl.col(name)).alias(name)
        for name in ("late", "delay", "stops", "class")
    )
    with pytest.raises(DataError, match="test split"):
        compare(make_table(blank), structures, train=TRAIN)


def test_torchrun_is_refused(
    table: Table, structures: list[ModelOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="torchrun"):
        compare(table, structures, train=TRAIN)


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from small_table import TRAIN, make_table
from sharewise.nn import ModelOptions
from sharewise.study import compare
options = [ModelOptions(sharing=name, hidden=(8,), experts=3) for name in ("shared_bottom", "mmoe")]
compare(make_table(), options, train=TRAIN, seeds=2, learning_rates=(3e-3, 1e-2), jobs=2, folder={folder!r})
"""


def test_a_killed_study_goes_on(
    comparison: Comparison, table: Table, structures: list[ModelOptions], tmp_path: Path
) -> None:
    script = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "OMP_NUM_THREADS": "1"})
    finished = tmp_path / "trials"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list(finished.glob("*/trial.json"))) < 3:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in finished.glob("*/trial.json")}
    assert len(kept) >= 3
    again = compare(table, structures, folder=tmp_path, **ARGUMENTS)
    assert again.to_dict() == comparison.to_dict()
    untouched = [path for path, when in kept.items() if path.stat().st_mtime_ns == when]
    assert len(untouched) >= 2


@pytest.mark.slow
def test_every_structure_can_be_compared(table: Table) -> None:
    found = compare(table, list(STRUCTURES), train=TrainOptions(epochs=1), seeds=2, jobs=2)
    assert len(found.structures) == len(STRUCTURES)
