"""Whatever a user gets wrong with meta-learning: exit code 2, one clear paragraph, nothing written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from cli_support import Command
from meta_support import HIGH, IMAGES, LEVELS, SINUSOID, TABLE
from test_malformed import cut, flip, refused

from sharewise.train import Run

Change = Callable[[pl.DataFrame], pl.DataFrame]


def replaced(old: str, new: str, text: str = TABLE) -> str:
    assert old in text
    return text.replace(old, new)


CONFIGS = {
    "not toml": ("[data\n", "line 1"),
    "empty": ("", "[data] is missing"),
    "unknown table": (TABLE + "[lerner]\n", "'learner'"),
    "a table of the other commands": (TABLE + '[model]\nsharing = "mmoe"\n', "'model'"),
    "unknown key": (replaced("iterations", "iteratons"), "'iterations'"),
    "wrong type": (replaced("iterations = 4", 'iterations = "four"'), "whole number"),
    "no iterations": (replaced("iterations = 4", "iterations = 0"), "iterations"),
    "no number": (replaced("iterations = 4", "learning_rate = nan"), "learning_rate"),
    "unknown learner": (replaced('"maml"', '"mmal"'), "'maml'"),
    "unknown option": (replaced('"maml"', '"maml"\nstep = 3'), "'steps'"),
    "option of another learner": (replaced('"maml"', '"maml"\nnoise = 0.1'), "'noise'"),
    "option of the wrong type": (replaced('"maml"', '"maml"\nsteps = 1.5'), "whole number"),
    "true for a number": (replaced('"maml"', '"maml"\nrate = true'), "a number"),
    "negative steps": (replaced('"maml"', '"maml"\nsteps = -1'), "-1 steps"),
    "no inner rate": (replaced('"maml"', '"maml"\nrate = 0.0'), "inner learning rate"),
    "unknown option of the net": (replaced("net.hidden", "net.hiden"), "'hidden'"),
    "no layers": (replaced("hidden = [8]", "hidden = []"), "hidden"),
    "wider than memory": (replaced("hidden = [8]", "hidden = [1000000000, 1000000000]"), "GiB"),
    "unknown strategy": (replaced("iterations = 4", 'strategy = "compild"'), "'compiled'"),
    "unknown optimizer": (replaced("iterations = 4", 'optimizer = "adamm"'), "'adam'"),
    "unknown device": (replaced("iterations = 4", 'device = "gpu0"'), "gpu0"),
    "unknown kind": (replaced('"regression"', '"regresion"'), "'regression'"),
    "a kind that cannot be learned": (replaced('"maml"', '"protonet"'), "protonet"[:5].title()),
    "probabilities for classes": (replaced('"maml"', '"alpaca"', LEVELS), "multiclass"),
    "no label at all": (replaced('[task]\nname = "y"\nkind = "regression"', ""), "[task]"),
    "unknown label": (replaced('name = "y"', 'name = "z"'), "z"),
    "label of text": (replaced('name = "y"', 'name = "level"'), "text"),
    "negative shots": (replaced("shots = 3", "shots = -1"), "shots = -1"),
    "no shots of new classes": (replaced("shots = 1\n", "shots = 0\n", IMAGES), "at least one shot"),
    "no support to solve from": (
        replaced('"maml"', '"r2d2"').replace("shots = 3", "shots = 0"),
        "support set is empty",
    ),
    "ranges reversed": (replaced("shots = 3", "shots = [5, 2]"), "rising"),
    "a range of three": (replaced("shots = 3", "shots = [1, 2, 3]"), "pair"),
    "no queries": (replaced("queries = 3", "queries = 0"), "queries"),
    "fewer examples than shots": (replaced("shots = 3", "shots = 12"), "12 rows"),
    "fewer examples than tested shots": (replaced("shots = [1, 3]", "shots = [1, 50]"), "12 rows"),
    "ways of numbers": (replaced("queries = 3", "queries = 3\nways = 5"), "Leave 'ways' out"),
    "one way": (replaced("ways = 2", "ways = 1", IMAGES), "ways = 1"),
    "more ways than classes": (replaced("ways = 2", "ways = 9", IMAGES), "9 classes"),
    "more shots than images": (replaced("queries = 2", "queries = 9", IMAGES), "queries"),
    "ways of sine waves": (replaced("[learner]", "[episodes]\nways = 3\n[learner]", SINUSOID), "'ways'"),
    "no task column": (replaced('task_column = "user"', ""), "task_column"),
    "missing task column": (replaced('"user"', '"usr"'), "'user'"),
    "missing order": (replaced('"user"', '"user"\norder = "tme"'), "'time'"),
    "unknown feature": (replaced('["x", "colour"]', '["x", "z"]'), "'z'"),
    "split through tasks": (
        replaced('"user"', '"user"\nsplit = { by = "fraction", test = 0.3 }'),
        "several splits",
    ),
    "no tasks to test by": (
        replaced('"user"', '"user"\nsplit = { by = "group", column = "user", test = 0.0 }'),
        "no tasks to test",
    ),
    "no such file": (replaced("rows.csv", "row.csv"), "row.csv"),
    "no such catalog set": (replaced('"sinusoid"', '"sinusoids"', SINUSOID), "'sinusoid'"),
    "unknown option of the catalog": (
        replaced('"sinusoid"', '"sinusoid"\noptions.nose = 1.0', SINUSOID),
        "'noise'",
    ),
    "option out of range": (
        replaced('"sinusoid"', '"sinusoid"\noptions.noise = -1.0', SINUSOID),
        "noise",
    ),
    "options of a table": (replaced('"user"', '"user"\noptions.noise = 1.0'), "options"),
    "a label for sine waves": (SINUSOID + '[task]\nname = "y"\n', "[task]"),
    "a task column for images": (replaced('"images"', '"images"\ntask_column = "a"', IMAGES), "task_column"),
    "no pixels": (replaced("size = 8", "size = 0", IMAGES), "0 pixels"),
    "an unknown norm": (replaced("net.channels", 'net.norm = "batch"\nnet.channels', IMAGES), "'batch'"),
    "running statistics": (
        replaced('"protonet"', '"maml"\nnet.norm = "running"', IMAGES),
        "mix the tasks",
    ),
    "a test of one episode": (replaced("episodes = 8\nshots", "episodes = 1\nshots"), "interval"),
    "negative test steps": (replaced("steps = [0, 1]", "steps = [-1]"), "steps"),
    "unknown baseline": (TABLE + 'baselines = ["scrach"]\n', "'scratch'"),
    "a baseline for classes": (TABLE + 'baselines = ["centroid"]\n', "centroid"),
    "itself for a baseline": (replaced('"maml"', '"scratch"') + 'baselines = ["scratch"]\n', "itself"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations(name: str, command: Command, meta: Path) -> None:
    text, hint = CONFIGS[name]
    (meta / "run.toml").write_text(text)
    assert hint in refused(command, meta, "meta", "train", "run.toml", "--out", "out")
    assert not (meta / "out").exists()


def test_all_problems_at_once(command: Command, meta: Path) -> None:
    text = replaced('"maml"', '"mmal"').replace("iterations", "iteratons").replace("shots = 3", "shots = -1")
    (meta / "run.toml").write_text(text)
    said = refused(command, meta, "meta", "train", "run.toml", "--out", "out")
    assert "3 problems" in said
    assert "'maml'" in said
    assert "'iterations'" in said
    assert "shots = -1" in said


TABLES: dict[str, tuple[Change, str]] = {
    "labels all null": (lambda t: t.with_columns(y=pl.lit(None, pl.Float64)), "y"),
    "labels infinite": (lambda t: t.with_columns(y=pl.lit(float("inf"))), "infinite"),
    "no rows": (lambda t: t.head(0), "no rows"),
    "one task": (lambda t: t.with_columns(user=pl.lit("u")), "tasks"),
    "features constant": (lambda t: t.with_columns(x=pl.lit(1.0), colour=pl.lit("red")), "does not vary"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str, command: Command, meta: Path) -> None:
    change, hint = TABLES[name]
    change(pl.read_csv(meta / "rows.csv")).write_csv(meta / "rows.csv")
    assert hint in refused(command, meta, "meta", "train", "table.toml", "--out", "out")
    assert not (meta / "out").exists()


def test_classes_without_support_examples(command: Command, meta: Path) -> None:
    (meta / "run.toml").write_text(replaced('"maml"', '"protonet"', LEVELS).replace("shots = 3", "shots = 1"))
    assert "no example of class" in refused(command, meta, "meta", "train", "run.toml", "--out", "out")
    assert not (meta / "out").exists()


def spoil_image(folder: Path) -> None:
    (folder / "class0/0.png").write_bytes(b"no image")


def leave_one(folder: Path) -> None:
    for path in list(folder.iterdir())[1:]:
        shutil.rmtree(path)


def empty_one(folder: Path) -> None:
    (folder / "class0/0.png").unlink()


@pytest.mark.parametrize(
    "spoil, hint", [(spoil_image, "0.png"), (leave_one, "classes"), (shutil.rmtree, "images")]
)
def test_folders_to_train_on(spoil: Callable[[Path], None], hint: str, command: Command, meta: Path) -> None:
    spoil(meta / "images")
    assert hint in refused(command, meta, "meta", "train", "images.toml", "--out", "out")


@pytest.mark.parametrize(
    "spoil, hint",
    [(spoil_image, "0.png"), (leave_one, "1 sub-folders"), (empty_one, "class0"), (shutil.rmtree, "support")],
)
def test_folders_to_adapt_to(spoil: Callable[[Path], None], hint: str, command: Command, meta: Path) -> None:
    spoil(meta / "support")
    argv = ("meta", "adapt", "run_images", "support", "query", "--out", "p.csv")
    assert hint in refused(command, meta, *argv)


SUPPORTS: dict[str, tuple[Change, str]] = {
    "empty support": (lambda t: t.head(0), "no rows"),
    "no label column": (lambda t: t.drop("y"), "'y'"),
    "a label missing": (
        lambda t: t.with_columns(y=pl.when(pl.int_range(pl.len()) == 2).then(None).otherwise("y")),
        "Row 3",
    ),
    "a label infinite": (lambda t: t.with_columns(y=pl.lit(float("inf"))), "infinite"),
    "labels of text": (lambda t: t.with_columns(y=pl.lit("much")), "text"),
    "no input column": (lambda t: t.drop("x"), "In 'support.csv': The table lacks the column 'x'"),
    "a task missing": (
        lambda t: t.with_columns(user=pl.when(pl.int_range(pl.len()) == 1).then(None).otherwise("user")),
        "Row 2",
    ),
    "a task without examples": (lambda t: t.filter(pl.col("user") == "u03"), "'u07'"),
}


@pytest.mark.parametrize("name", SUPPORTS)
def test_supports(name: str, command: Command, meta: Path) -> None:
    change, hint = SUPPORTS[name]
    change(pl.read_csv(meta / "support.csv")).write_csv(meta / "support.csv")
    argv = ("meta", "adapt", "run_table", "support.csv", "query.csv", "--out", "p.csv")
    assert hint in refused(command, meta, *argv)


def test_a_class_never_seen(command: Command, meta: Path) -> None:
    support = pl.read_csv(meta / "support.csv").with_columns(level=pl.lit("huge"))
    support.write_csv(meta / "support.csv")
    argv = ("meta", "adapt", "run_levels", "support.csv", "query.csv", "--out", "p.csv")
    assert "'huge'" in refused(command, meta, *argv)


def test_a_class_without_examples_for_a_metric(command: Command, meta: Path) -> None:
    (meta / "run.toml").write_text(replaced('"maml"', '"matching"', HIGH))
    assert command("meta", "train", "run.toml", "--out", "run").code == 0
    support = pl.read_csv(meta / "support.csv").with_columns(y=pl.col("y").abs() + 1)
    support.write_csv(meta / "support.csv")
    argv = ("meta", "adapt", "run", "support.csv", "query.csv", "--out", "p.csv")
    assert "no example of the class '0'" in refused(command, meta, *argv)


QUERIES: dict[str, tuple[Change, str]] = {
    "empty query": (lambda t: t.head(0), "no rows"),
    "no input column": (lambda t: t.drop("colour"), "In 'query.csv': The table lacks the column 'colour'"),
    "no input columns": (
        lambda t: t.drop("x", "colour"),
        "In 'query.csv': The table lacks 2 columns that the model reads: 'colour', 'x'",
    ),
    "no task column": (lambda t: t.drop("user"), "'user'"),
    "a task missing": (lambda t: t.with_columns(user=pl.lit(None, pl.String)), "None"),
}


@pytest.mark.parametrize("name", QUERIES)
def test_queries(name: str, command: Command, meta: Path) -> None:
    change, hint = QUERIES[name]
    change(pl.read_csv(meta / "query.csv")).write_csv(meta / "query.csv")
    argv = ("meta", "adapt", "run_table", "support.csv", "query.csv", "--out", "p.csv")
    assert hint in refused(command, meta, *argv)


def test_other_ways_than_trained(command: Command, meta: Path) -> None:
    (meta / "run.toml").write_text(replaced('"protonet"', '"maml"', IMAGES))
    assert command("meta", "train", "run.toml", "--out", "run").code == 0
    shutil.copytree(meta / "support/class0", meta / "support/class2")
    said = refused(command, meta, "meta", "adapt", "run", "support", "query", "--out", "p.csv")
    assert "3 classes, but the learner was made for 2" in said


ADAPT = ("meta", "adapt")
COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "no such command": (("meta", "trian", "table.toml"), "trian"),
    "no configuration": (("meta", "train", "--out", "out"), "config"),
    "no folder": (("meta", "train", "table.toml"), "--out"),
    "no such configuration": (("meta", "train", "tabel.toml", "--out", "out"), "tabel.toml"),
    "a file for a folder": (("meta", "train", "table.toml", "--out", "rows.csv"), "is a file"),
    "a folder of others": (("meta", "train", "table.toml", "--out", "images"), "no run's"),
    "the folder of another run": (("meta", "train", "table.toml", "--out", "run_levels"), "another config"),
    "no support": ((*ADAPT, "run_table", "suport.csv", "query.csv", "--out", "p.csv"), "suport.csv"),
    "no query": ((*ADAPT, "run_table", "support.csv", "qery.csv", "--out", "p.csv"), "qery.csv"),
    "no query folder": ((*ADAPT, "run_images", "support", "qery", "--out", "p.csv"), "qery"),
    "a folder for a table": ((*ADAPT, "run_table", "support", "query.csv", "--out", "p.csv"), "support"),
    "a table for a folder": ((*ADAPT, "run_images", "support.csv", "query", "--out", "p.csv"), "folder"),
    "generated tasks": ((*ADAPT, "run_sinusoid", "support.csv", "query.csv", "--out", "p.csv"), "tables"),
    "unknown ending": ((*ADAPT, "run_table", "support.csv", "query.csv", "--out", "p.xls"), ".parquet"),
    "over a run's file": (
        (*ADAPT, "run_table", "support.csv", "query.csv", "--out", "run_table/log.csv"),
        "belongs to",
    ),
    "no run": ((*ADAPT, "nothing", "support.csv", "query.csv", "--out", "p.csv"), "nothing"),
    "negative steps": (
        (*ADAPT, "run_table", "support.csv", "query.csv", "--out", "p.csv", "--steps", "-1"),
        "-1 steps",
    ),
    "steps of a learner without": (
        (*ADAPT, "run_images", "support", "query", "--out", "p.csv", "--steps", "3"),
        "takes no steps",
    ),
    "steps that are no number": (
        (*ADAPT, "run_table", "support.csv", "query.csv", "--out", "p.csv", "--steps", "x"),
        "integer",
    ),
    "predicting with a learner": (("predict", "run_table", "query.csv", "--out", "p.csv"), "model.json"),
    "training it as a model": (("train", "table.toml", "--out", "out"), "not a key"),
    "nothing to evaluate": (("meta", "evaluate", "nothing", "--out", "out"), "nothing"),
    "evaluating into the run": (("meta", "evaluate", "run_table", "--out", "run_table"), "no run's"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands(name: str, command: Command, meta: Path) -> None:
    argv, hint = COMMANDS[name]
    if name == "over a run's file":
        shutil.copy(meta / "run_table/log.jsonl", meta / "run_table/log.csv")
        reseal_with(meta / "run_table", "log.csv")
    assert hint in refused(command, meta, *argv)


def reseal_with(run: Path, name: str) -> None:
    opened = Run.open(run)
    opened.write(name, (run / name).read_bytes())
    opened.seal()


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
@pytest.mark.parametrize("name", ["model.safetensors", "learner.json", "manifest.json"])
@pytest.mark.parametrize("what", ["adapt", "evaluate"])
def test_damaged_runs(
    damage: Callable[[Path], None], name: str, what: str, command: Command, meta: Path
) -> None:
    damage(meta / "run_table" / name)
    argv = ("run_table", "support.csv", "query.csv", "--out", "p.csv")
    argv = argv if what == "adapt" else ("run_table", "--out", "out")
    assert "run_table" in refused(command, meta, "meta", what, *argv)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 99},
        {"name": "of the future"},
        {"options": {"unheard_of": 1}},
        {"options": {"steps": "x"}},
        {"net": {"hidden": [5]}},
        {"net": 3},
        {"spec": {}},
        {"rows": {"task": 1}},
        {"condition": {"shots": -1}},
    ],
)
def test_other_versions(changes: dict[str, object], command: Command, meta: Path) -> None:
    run = Run.open(meta / "run_table")
    run.write_json("learner.json", {**run.read_json("learner.json"), **changes})
    run.seal()
    refused(command, meta, "meta", "adapt", "run_table", "support.csv", "query.csv", "--out", "p.csv")
