"""sharewise meta: from a configuration to a learner, its evidence, and predictions for new tasks."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from cli_support import Command
from meta_support import TABLE
from test_malformed import refused

from sharewise.cli import meta_evaluating
from sharewise.config import load_meta_config
from sharewise.errors import DivergedError
from sharewise.meta import Learner
from sharewise.serve import load_learner
from sharewise.study.fewshot.rates import FACTORS
from sharewise.train import MetaOptions, Run, fit_learner

RUN = {"config.toml", "learner.json", "model.safetensors", "metrics.json", "log.jsonl"}


@pytest.mark.parametrize(
    "name, metric", [("table", "mse"), ("levels", "accuracy"), ("sinusoid", "mse"), ("images", "accuracy")]
)
def test_train_leaves_a_run(name: str, metric: str, command: Command, meta: Path) -> None:
    run = Run.open(meta / f"run_{name}")
    assert set(run.names) >= RUN
    evidence = run.read_json("metrics.json")
    for split in ("valid", "test"):
        found = evidence[split]
        assert (found["metric"], found["episodes"]) == (metric, 8)
        assert found["low"] <= found["mean"] <= found["high"]
    assert evidence["steps"] == 4
    # Given again, what is there is shown, and nothing is written.
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    done = command("meta", "train", f"run_{name}/config.toml", "--out", f"run_{name}")
    assert done.code == 0, done.err
    assert metric in done.out
    assert "test" in done.out
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_the_resolved_configuration_runs_again(command: Command, meta: Path) -> None:
    shutil.copy(meta / "run_table/config.toml", meta / "again.toml")
    assert command("meta", "train", "again.toml", "--out", "again").code == 0
    assert Run.open(meta / "again").digest == Run.open(meta / "run_table").digest


def test_conditions_that_differ_are_told_with_the_reason(command: Command, meta: Path) -> None:
    done = command("meta", "train", "table.toml", "--out", "one")
    said = " ".join(done.err.split())
    assert "shots: trained with 3, tested with 1 to 3" in said
    assert "support set of the size it was trained with" in said
    (meta / "same.toml").write_text(TABLE.replace("[1, 3]", "[3]"))
    assert "trained with" not in command("meta", "train", "same.toml", "--out", "two").err


def test_errors_are_in_the_unit_of_the_label(command: Command, meta: Path) -> None:
    rows = pl.read_csv(meta / "rows.csv").with_columns(y=1000 * pl.col("y") + 5)
    rows.write_csv(meta / "rows.csv")
    assert command("meta", "train", "table.toml", "--out", "large").code == 0
    found, expected = (
        Run.open(meta / name).read_json("metrics.json")["test"]["mean"] for name in ("large", "run_table")
    )
    assert found == pytest.approx(1e6 * expected, rel=0.01)


@pytest.mark.parametrize(
    "name, columns",
    [
        ("table", ["user", "prediction"]),
        ("levels", ["user", "prediction", "prediction=low", "prediction=mid", "prediction=top"]),
        ("high", ["user", "prediction"]),
    ],
)
def test_adapt_to_tables(name: str, columns: list[str], command: Command, meta: Path) -> None:
    done = command("meta", "adapt", f"run_{name}", "support.csv", "query.csv", "--out", "p.csv")
    assert done.code == 0, done.err
    assert "shots: trained with 3, tested with 4 to 6" in done.out
    query, written = pl.read_csv(meta / "query.csv"), pl.read_csv(meta / "p.csv")
    assert written.columns == columns
    assert written["user"].equals(query["user"])
    found = load_learner(meta / f"run_{name}").adapt(pl.read_csv(meta / "support.csv")).predict(query)
    if name == "levels":
        assert found["prediction"].equals(written["prediction"])
    else:
        assert found["prediction"].to_list() == pytest.approx(written["prediction"].to_list(), rel=1e-5)


def test_adapt_gives_intervals_where_the_learner_knows_them(command: Command, meta: Path) -> None:
    (meta / "bayes.toml").write_text(TABLE.replace('"maml"', '"alpaca"'))
    assert command("meta", "train", "bayes.toml", "--out", "bayes").code == 0
    assert command("meta", "adapt", "bayes", "support.csv", "query.csv", "--out", "p.parquet").code == 0
    written = pl.read_parquet(meta / "p.parquet")
    assert written.columns == ["user", "prediction", "low", "high"]
    assert (written["low"] < written["prediction"]).all()
    assert (written["prediction"] < written["high"]).all()


def test_adapt_takes_the_steps_that_are_asked_for(command: Command, meta: Path) -> None:
    for steps in ("0", "20"):
        argv = ("meta", "adapt", "run_table", "support.csv", "query.csv", "--out", f"{steps}.csv")
        assert command(*argv, "--steps", steps).code == 0
    assert not pl.read_csv(meta / "0.csv").equals(pl.read_csv(meta / "20.csv"))


def test_adapt_to_folders(command: Command, meta: Path) -> None:
    done = command("meta", "adapt", "run_images", "support", "query", "--out", "p.csv")
    assert done.code == 0, done.err
    written = pl.read_csv(meta / "p.csv")
    assert written.columns == ["file", "prediction", "prediction=class0", "prediction=class1"]
    # The images asked for are the examples themselves.
    assert written["prediction"].to_list() == ["class0", "class1"]


@pytest.mark.parametrize("name", ["table", "images"])
def test_evaluate(name: str, command: Command, meta: Path) -> None:
    done = command("meta", "evaluate", f"run_{name}", "--out", "evidence")
    assert done.code == 0, done.err
    assert "scratch" in done.out
    run = Run.open(meta / "evidence")
    assert {"config.toml", "metrics.json", "report.html"} <= set(run.names)
    evidence = run.read_json("metrics.json")
    config = load_meta_config(meta / f"run_{name}/config.toml")
    names = [one["name"] for one in evidence["learners"]]
    assert names == [config.learner.name, *(config.evaluate.baselines or ())]
    assert [entry["shots"] for entry in evidence["by_shots"]] == list(config.evaluate.shots or ())
    for baseline in ("pooled", "fine_tuned"):  # at the learner's own budget
        log = Run.open(meta / "evidence/baselines" / baseline).history()
        assert log[-1]["step"] == config.train.iterations
    assert not (meta / "evidence/baselines/scratch").exists()
    rates = {one["name"]: one.get("rate") for one in evidence["learners"]}
    assert rates["pooled"] is None
    assert rates["scratch"] in [0.01 * factor for factor in FACTORS]
    assert rates[config.learner.name] == config.learner.options.get("rate")
    again = command("meta", "evaluate", f"run_{name}", "--out", "evidence")
    assert (again.code, again.out, again.err) == (0, done.out, "")
    shown = command("report", "evidence")
    assert (shown.code, shown.out) == (0, done.out)
    assert Run.open(meta / "evidence").read("report.html") == run.read("report.html")


def test_the_measurement_agrees_with_that_of_the_training(command: Command, meta: Path) -> None:
    assert command("meta", "evaluate", "run_table", "--out", "evidence").code == 0
    evidence = Run.open(meta / "evidence").read_json("metrics.json")
    own = next(entry for entry in evidence["by_shots"] if entry["shots"] == 3)["learners"]["maml"]
    expected = Run.open(meta / "run_table").read_json("metrics.json")["test"]
    assert own["mean"] == pytest.approx(expected["mean"], rel=1e-6)


def test_evidence_of_another_run_stays(command: Command, meta: Path) -> None:
    assert command("meta", "evaluate", "run_table", "--out", "evidence").code == 0
    for name in ("levels", "sinusoid"):
        assert "another" in refused(command, meta, "meta", "evaluate", f"run_{name}", "--out", "evidence")
    # The same configuration, trained on other data, is another run too.
    rows = pl.read_csv(meta / "rows.csv").with_columns(y=pl.col("y") + 1)
    rows.write_csv(meta / "rows.csv")
    shutil.copy(meta / "run_table/config.toml", meta / "again.toml")
    text = (meta / "again.toml").read_text()
    source = load_meta_config(meta / "again.toml").data.source
    (meta / "again.toml").write_text(text.replace(source, "rows.csv"))
    assert command("meta", "train", "again.toml", "--out", "other").code == 0
    assert "another" in refused(command, meta, "meta", "evaluate", "other", "--out", "evidence")


def test_data_that_changed_since_training(command: Command, meta: Path) -> None:
    assert command("meta", "train", "table.toml", "--out", "own").code == 0
    rows = pl.read_csv(meta / "rows.csv").with_columns(pl.col("y").reverse())
    rows.write_csv(meta / "rows.csv")
    assert "changed" in refused(command, meta, "meta", "evaluate", "own", "--out", "evidence")


def test_report_shows_a_training(command: Command, meta: Path) -> None:
    done = command("report", "run_levels")
    assert done.code == 0
    assert "accuracy" in done.out


def test_list_names_them(command: Command) -> None:
    said = command("list").out
    for name in ("maml", "protonet", "alpaca", "centroid", "sinusoid", "omniglot", "workers", "compiled"):
        assert f" {name} " in said


#: Runs a command in a process that kills itself once the checkpoint of step 6 is written.
DYING = """
import os, signal, sys
from sharewise.cli.main import main
from sharewise.train.checkpoint import Checkpoints
save = Checkpoints.save
def save_and_die(self, step, *others):
    save(self, step, *others)
    if step == 6:
        os.kill(os.getpid(), signal.SIGKILL)
Checkpoints.save = save_and_die
main(sys.argv[1:])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_run_goes_on_bit_for_bit(command: Command, meta: Path) -> None:
    (meta / "run.toml").write_text(TABLE.replace("iterations = 4", "iterations = 12"))
    assert command("meta", "train", "run.toml", "--out", "undisturbed").code == 0
    argv = [sys.executable, "-c", DYING, "meta", "train", "run.toml", "--out", "killed"]
    done = subprocess.run(argv, cwd=meta, capture_output=True, timeout=200, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert max(path.name for path in (meta / "killed/checkpoint").iterdir()) == "step-00000006"
    assert not (meta / "killed/manifest.json").exists()
    assert command("meta", "train", "run.toml", "--out", "killed").code == 0
    killed, undisturbed = Run.open(meta / "killed"), Run.open(meta / "undisturbed")
    assert [record["step"] for record in killed.history()] == [2, 4, 6, 8, 10, 12]
    assert killed.digest == undisturbed.digest


def test_baselines_that_need_an_example_are_tested_where_the_learner_needs_none(
    command: Command, meta: Path
) -> None:
    text = TABLE.replace("shots = 3\n", "shots = [0, 3]\n").replace('"maml"', '"cnp"')
    (meta / "some.toml").write_text(text + 'baselines = ["scratch"]\n')
    assert command("meta", "train", "some.toml", "--out", "some").code == 0
    done = command("meta", "evaluate", "some", "--out", "some_evidence")
    assert done.code == 0, done.err
    learners = Run.open(meta / "some_evidence").read_json("metrics.json")["learners"]
    assert [one["name"] for one in learners] == ["cnp", "scratch"]


def test_evaluate_measures_what_is_asked_for(command: Command, meta: Path) -> None:
    argv = ("meta", "evaluate", "run_table", "--out", "asked", "--shots", "0", "--shots", "5")
    done = command(*argv, "--steps", "2", "--episodes", "6")
    assert done.code == 0, done.err
    run = Run.open(meta / "asked")
    evidence = run.read_json("metrics.json")
    assert [entry["shots"] for entry in evidence["by_shots"]] == [0, 5]
    # Without an example, who starts from scratch has nothing to say.
    assert set(evidence["by_shots"][0]["learners"]) == {"maml", "pooled", "fine_tuned"}
    assert [one["steps"] for one in evidence["by_steps"]["maml"]] == [2]
    assert evidence["plan"]["episodes"] == 6
    stored = load_meta_config(meta / "asked/config.toml").evaluate
    assert (stored.shots, stored.steps, stored.episodes) == ((0, 5), (2,), 6)
    # What is there is for those alone.
    assert command(*argv, "--steps", "2", "--episodes", "6").out == done.out
    said = refused(command, meta, "meta", "evaluate", "run_table", "--out", "asked")
    assert "another configuration: [evaluate] differs" in said


def test_evaluate_beside_other_learners(command: Command, meta: Path) -> None:
    for name in ("alpaca", "cnp"):
        (meta / f"{name}.toml").write_text(TABLE.replace('"maml"', f'"{name}"'))
        assert command("meta", "train", f"{name}.toml", "--out", name).code == 0
    (meta / "again.toml").write_text(TABLE.replace("[learner]", "[learner]\nseed = 1"))
    assert command("meta", "train", "again.toml", "--out", "again").code == 0
    runs = [part for name in ("alpaca", "cnp", "again") for part in ("--beside", name)]
    argv = ("meta", "evaluate", "run_table", "--out", "asked")
    done = command(*argv, *runs)
    assert done.code == 0, done.err
    evidence = Run.open(meta / "asked").read_json("metrics.json")
    names = [one["name"] for one in evidence["learners"]]
    assert names == ["maml", "alpaca", "cnp", "again", "scratch", "pooled", "fine_tuned"]
    assert evidence["beside"] == {name: Run.open(meta / name).digest for name in ("alpaca", "cnp", "again")}
    assert {d["baseline"] for d in evidence["differences"]} == set(names[1:])
    assert "or beside others" in refused(command, meta, *argv)
    assert command(*argv, *runs).out == done.out
    assert "given twice" in refused(command, meta, *argv[:-1], "new", "--beside", "run_table")
    assert "is not what" in refused(command, meta, *argv[:-1], "new", "--beside", "run_sinusoid")
    assert not (meta / "new").exists()


@pytest.mark.parametrize(
    "options, says",
    [
        (("--shots", "-1"), "shots"),
        (("--shots", "50"), "12 rows"),
        (("--steps", "-1"), "steps"),
        (("--episodes", "1"), "interval"),
        (("--beside", "nowhere"), "nowhere"),
        (("--data", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_what_cannot_be_measured(options: tuple[str, ...], says: str, command: Command, meta: Path) -> None:
    assert says in refused(command, meta, "meta", "evaluate", "run_table", "--out", "asked", *options)
    assert not (meta / "asked").exists()


def test_data_that_was_moved(command: Command, meta: Path) -> None:
    assert command("meta", "train", "table.toml", "--out", "own").code == 0
    (meta / "elsewhere").mkdir()
    shutil.move(meta / "rows.csv", meta / "elsewhere/rows.csv")
    argv = ("meta", "evaluate", "own", "--out", "asked")
    assert "rows.csv" in refused(command, meta, *argv)
    done = command(*argv, "--data", "elsewhere/rows.csv")
    assert done.code == 0, done.err
    assert "has no path" in refused(
        command, meta, "meta", "evaluate", "run_sinusoid", "--out", "new", "--data", "elsewhere/rows.csv"
    )


def test_a_baseline_whose_training_diverges_is_left_out(
    command: Command, meta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(learner: Learner, *others: object, **more: object) -> object:
        if type(learner).__name__ == "FineTuned":
            raise DivergedError("The loss is not a finite number at step 3.", "Lower the rate.")
        seen.append(others[2])
        return fit_learner(learner, *others, **more)  # type: ignore[arg-type]

    seen: list[object] = []
    monkeypatch.setattr(meta_evaluating, "fit_learner", diverge)
    (meta / "plain.toml").write_text(
        TABLE.replace("iterations = 4", 'iterations = 4\noptimizer = "sgd"\nlearning_rate = 0.5')
    )
    assert command("meta", "train", "plain.toml", "--out", "plain").code == 0
    done = command("meta", "evaluate", "plain", "--out", "asked")
    assert done.code == 0, done.err
    assert "fine_tuned is left out: its training diverged. The loss is not a finite number" in " ".join(
        done.out.split()
    )
    evidence = Run.open(meta / "asked").read_json("metrics.json")
    assert [one["name"] for one in evidence["learners"]] == ["maml", "scratch", "pooled"]
    # Plain steps of Reptile's size are nothing for a baseline.
    (options,) = seen
    assert isinstance(options, MetaOptions)
    assert (options.optimizer, options.learning_rate, options.iterations) == ("adam", 1e-3, 4)
