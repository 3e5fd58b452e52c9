"""Whatever a user gets wrong: exit code 2, one clear paragraph, no traceback, nothing written."""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import tomli_w
from cli_support import CONFIG, Command, Done, table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sharewise.train import Run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Change = Callable[[pl.DataFrame], pl.DataFrame]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(command: Command, folder: Path, *argv: str) -> str:
    """Run a command that must be refused, and return what it says."""
    before = everything(folder)
    done = command(*argv)
    assert done.code == 2, done
    assert everything(folder) == before
    assert_clear(done)
    return done.err


def assert_clear(done: Done) -> None:
    assert done.out == ""
    assert done.err.startswith("sharewise: ")
    assert "Traceback" not in done.err
    assert "\n\n" not in done.err.strip()
    assert 20 < len(done.err) < 3000
    assert re.search(r"[.?)]\n$", done.err), done.err


def replaced(old: str, new: str) -> str:
    assert old in CONFIG
    return CONFIG.replace(old, new)


def with_data(line: str) -> str:
    return replaced('source = "rows.csv"', f'source = "rows.csv"\n{line}')


def with_label(line: str) -> str:
    return replaced('name = "delay"\nkind = "regression"', f'name = "other"\n{line}')


def one_task(line: str) -> str:
    """A table of one task, the template of all."""
    return with_data(line).replace('[[tasks]]\nname = "delay"\nkind = "regression"\n', "")


CONFIGS = {
    "not toml": ("[data\n", "line 1"),
    "a key twice": (replaced("epochs = 1", "epochs = 1\nepochs = 2"), "line"),
    "empty": ("", "[data] is missing"),
    "unknown table": (CONFIG + "[modle]\n", "'model'"),
    "unknown key": (replaced("hidden", "hiden"), "'hidden'"),
    "wrong type": (replaced("epochs = 1", 'epochs = "one"'), "whole number"),
    "unknown kind": (replaced('"binary"', '"binry"'), "'binary'"),
    "unknown structure": (replaced('"shared_bottom"\nhidden', '"shared_botom"\nhidden'), "'shared_bottom'"),
    "no batch": (replaced("batch_size = 32", "batch_size = 0"), "batch_size"),
    "no number": (replaced("epochs = 1", "learning_rate = nan"), "learning_rate"),
    "infinite rate": (replaced("epochs = 1", "learning_rate = inf"), "learning_rate"),
    "negative weight": (replaced('label = "delay > 3"', "weight = -1.0"), "weight"),
    "duplicate names": (replaced('name = "late"', 'name = "delay"'), "Two tasks"),
    "no weight at all": (
        with_label('label = "delay"\nweight = 0.0').replace('> 3"', '> 3"\nweight = 0.0'),
        "0",
    ),
    "empty name": (replaced('name = "late"', 'name = ""'), "name"),
    "no tasks": ('data.source = "rows.csv"', "[[tasks]]"),
    "no source": (replaced('source = "rows.csv"', ""), "source"),
    "no such file": (replaced("rows.csv", "row.csv"), "row.csv"),
    "nearly a catalog name": (replaced("rows.csv", "flighs"), "'flights'"),
    "unknown ending": (replaced("rows.csv", "run.toml"), ".toml"),
    "options without catalog": (with_data("options.p = 0.5"), "options"),
    "unknown option": (replaced('"rows.csv"', '"mmoe-synthetic"\noptions.q = 1'), "option 'q'"),
    "option out of range": (replaced('"rows.csv"', '"mmoe-synthetic"\noptions.p = 3.0'), "cosine"),
    "all rows tested": (with_data('split = { by = "fraction", test = 1.0 }'), "split"),
    "negative share": (with_data('split = { by = "fraction", valid = -0.1 }'), "split"),
    "unknown split": (with_data('split = { by = "tme", column = "day" }'), "'time'"),
    "split without column": (with_data('split = { by = "group" }'), "column"),
    "split by no column": (with_data('split = { by = "group", column = "dy" }'), "'day'"),
    "split by a column of something": (with_data('split = { by = "column", column = "carrier" }'), "carrier"),
    "no time": (with_data('split = { by = "time", column = "day", valid = "x", test = "y" }'), "day"),
    "nothing before": (
        with_data('split = { by = "time", column = "day", valid = "1999-01-01", test = "2000-01-01" }'),
        "no rows",
    ),
    "unknown feature": (with_data('features.drop = ["distanc"]'), "'distance'"),
    "unknown feature kind": (with_data('features.kinds = { distance = "number" }'), "distance"),
    "no feature left": (with_data('features.keep = ["delay"]'), "delay"),
    "no bins": (with_data("features.bins = 0"), "bins"),
    "no weight column": (with_data('weight = "wieght"'), "'weight'"),
    "no cluster column": (with_data('cluster = "dya"'), "'day'"),
    "wrong task column": (one_task('task_column = "carier"'), "carrier"),
    "task column of two tasks": (with_data('task_column = "carrier"'), "one"),
    "no label column": (with_label('label = "delya"'), "delya"),
    "label that is no sql": (with_label('label = "delay >"'), "other"),
    "label of text": (with_label('kind = "regression"\nlabel = "carrier"'), "text"),
    "label that is not binary": (with_label('kind = "binary"\nlabel = "delay"'), "binary"),
    "one class only": (with_label('label = "delay > 1000"'), "every training row"),
    "never observed": (
        with_label('kind = "regression"\nlabel = "CASE WHEN delay > 99 THEN delay END"'),
        "missing",
    ),
    "no count": (with_label('kind = "count"\nlabel = "delay - 100"'), "count"),
    "no attributes": (replaced("hidden = [4]", 'hidden = [4]\ndescriptor = "attributes"'), "attribute"),
    "no text": (replaced("hidden = [4]", 'hidden = [4]\ndescriptor = "text"'), "text"),
    "no widths": (replaced("hidden = [4]", "hidden = []"), "hidden"),
    "wider than memory": (replaced("hidden = [4]", "hidden = [1000000000, 1000000000]"), "GiB"),
    "more than can be counted": (replaced("hidden = [4]", "hidden = [9000000000000000000, 9]"), "GiB"),
    "a number without end": (replaced("epochs = 1", f"epochs = {'9' * 5000}"), "TOML"),
    "negative width": (replaced("hidden = [4]", "hidden = [-4]"), "hidden"),
    "tasks first without tasks": (replaced("epochs = 1", 'sampling = "uniform"'), "uniform"),
    "unknown sampling": (replaced("epochs = 1", 'sampling = "unifrm"'), "'uniform'"),
    "unknown schedule": (replaced("epochs = 1", 'schedule = "cosin"'), "'cosine'"),
    "unknown precision": (replaced("epochs = 1", 'precision = "fp8"'), "precision"),
    "unknown device": (replaced("epochs = 1", 'device = "gpu0"'), "gpu0"),
    "unknown balancing": (CONFIG + '[balance]\nmethod = "equl"\n', "'equal'"),
    "weights for no task": (CONFIG + '[balance]\nmethod = "fixed"\nweights = { lat = 1.0 }\n', "'late'"),
    "too few weights": (CONFIG + '[balance]\nmethod = "fixed"\nweights = [1.0]\n', "weight"),
    "unknown engine": (CONFIG + '[balance]\nmethod = "upgrad"\nengine = "gost"\n', "'ghost'"),
    "an engine without gradients": (CONFIG + '[balance]\nmethod = "excess_mtl"\n', "'exact'"),
    "a look every no step": (CONFIG + '[balance]\nmethod = "upgrad"\nevery = 0\n', "every"),
    "unknown precision of balancing": (CONFIG + '[balance]\nprecision = "fp8"\n', "precision"),
    "option of another method": (CONFIG + '[balance]\nmethod = "mgda"\nalpha = 1.0\n', "'alpha'"),
    "option out of its range": (CONFIG + '[balance]\nmethod = "cagrad"\nc = -1.0\n', "CAGrad"),
    "shares without tasks": (replaced("epochs = 1", 'sampling = "pike"'), "pike"),
    "no look at all": (replaced("epochs = 1", "diagnose = -1"), "diagnose"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations(name: str, command: Command, folder: Path) -> None:
    text, hint = CONFIGS[name]
    (folder / "run.toml").write_text(text)
    assert hint in refused(command, folder, "train", "run.toml", "--out", "out")
    assert not (folder / "out").exists()


TABLES: dict[str, tuple[bytes | Change, str]] = {
    "empty file": (b"", "rows.csv"),
    "header only": (b"distance,carrier,delay\n", "no rows"),
    "not a table": (bytes(range(256)), "does not have"),
    "a column twice": (b"distance,distance,delay\n1,2,3\n", "distance"),
    "ragged": (b"distance,delay\n1,2\n1,2,3,4\n" * 30, ".csv' cannot be read"),
    "label missing": (lambda t: t.drop("delay"), "delay"),
    "labels all null": (lambda t: t.with_columns(delay=pl.lit(None, pl.Float64)), "cannot be computed"),
    "labels infinite": (lambda t: t.with_columns(delay=pl.lit(float("inf"))), "every training row"),
    "a label infinite": (
        lambda t: t.with_columns(
            delay=pl.when(pl.col("distance") > 1).then(pl.col("delay")).otherwise(float("inf"))
        ),
        "delay",
    ),
    "labels constant": (lambda t: t.with_columns(delay=pl.lit(5.0)), "every training row"),
    "features constant": (
        lambda t: t.select("delay", distance=pl.lit(1.0), carrier=pl.lit("a")),
        "does not vary",
    ),
    "no features": (lambda t: t.select("delay"), "feature"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str, command: Command, folder: Path) -> None:
    content, hint = TABLES[name]
    if isinstance(content, bytes):
        (folder / "rows.csv").write_bytes(content)
    else:
        content(table()).write_csv(folder / "rows.csv")
    assert hint in refused(command, folder, "train", "run.toml", "--out", "out")
    assert not (folder / "out").exists()


def test_parquet_cut_short(command: Command, folder: Path) -> None:
    table().write_parquet(folder / "rows.parquet")
    content = (folder / "rows.parquet").read_bytes()
    (folder / "rows.parquet").write_bytes(content[: len(content) // 2])
    (folder / "run.toml").write_text(replaced("rows.csv", "rows.parquet"))
    assert "rows.parquet" in refused(command, folder, "train", "run.toml", "--out", "out")


def test_weights_of_rows(command: Command, folder: Path) -> None:
    table().with_columns(weight=-pl.col("weight")).write_csv(folder / "rows.csv")
    (folder / "run.toml").write_text(with_data('weight = "weight"'))
    assert "weight" in refused(command, folder, "train", "run.toml", "--out", "out")


COMPARISONS = {
    "nothing to compare": (replaced('"independent", "shared_bottom"', '"independent"'), "nothing to compare"),
    "unknown structure": (replaced('"independent", "shared', '"independent", "mmoee", "shared'), "'mmoe'"),
    "no seeds": (replaced("seeds = 2", "seeds = 0"), "seeds"),
    "no rate": (replaced("seeds = 2", "learning_rates = [0.0]"), "learning_rates"),
    "no validation rows": (with_data('split = { by = "fraction", valid = 0.0 }'), "validation"),
    "no test rows": (with_data('split = { by = "fraction", test = 0.0 }'), "test"),
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons(name: str, command: Command, folder: Path) -> None:
    text, hint = COMPARISONS[name]
    (folder / "run.toml").write_text(text)
    assert hint in refused(command, folder, "compare", "run.toml", "--out", "out")
    assert not (folder / "out").exists()


COMMANDS = {
    "no such command": (["trian", "run.toml"], "trian"),
    "no configuration": (["train", "--out", "out"], "config"),
    "no folder": (["train", "run.toml"], "--out"),
    "unknown option": (["train", "run.toml", "--ou", "out"], "--ou"),
    "no such configuration": (["train", "rn.toml", "--out", "out"], "rn.toml"),
    "a folder for a configuration": (["train", ".", "--out", "out"], "'.'"),
    "a file for a folder": (["train", "run.toml", "--out", "rows.csv"], "rows.csv"),
    "a folder of others": (["train", "run.toml", "--out", "."], "no run's"),
    "no run": (["predict", "nothing", "rows.csv", "--out", "p.csv"], "nothing"),
    "no finished run": (["predict", ".", "rows.csv", "--out", "p.csv"], "manifest"),
    "no table": (["predict", "run", "rws.csv", "--out", "p.csv"], "rws.csv"),
    "unknown ending": (["predict", "run", "rows.csv", "--out", "p.xls"], ".csv or .parquet"),
    "predictions into a folder": (["predict", "run", "rows.csv", "--out", "run.csv"], "folder"),
    "no report": (["report", "nothing"], "nothing"),
    "no flights": (["demo", "--every", "0"], "every"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands(name: str, command: Command, folder: Path, run: Path) -> None:
    (folder / "run.csv").mkdir()
    argv, hint = COMMANDS[name]
    assert hint in refused(command, folder, *argv)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("name", ["model.safetensors", "schema.json", "model.json", "manifest.json"])
def test_damaged_runs(
    damage: Callable[[Path], None], name: str, command: Command, folder: Path, run: Path
) -> None:
    damage(run / name)
    said = refused(command, folder, "predict", "run", "rows.csv", "--out", "p.csv")
    assert "run" in said


def reseal(run: Path, name: str, **changes: object) -> None:
    """Change a file as another version might have written it, manifest and all."""
    opened = Run.open(run)
    opened.write_json(name, {**opened.read_json(name), **changes})
    opened.seal()


@pytest.mark.parametrize(
    "name, changes",
    [
        ("model.json", {"format": 99}),
        ("model.json", {"tasks": []}),
        ("model.json", {"tasks": [{"name": "a"}]}),
        ("model.json", {"options": {"sharing": "of the future"}}),
        ("model.json", {"options": {"unheard_of": 1}}),
        ("model.json", {"options": {"hidden": [5]}}),
        ("schema.json", {"vocabularies": 3}),
        ("schema.json", {"scalings": []}),
    ],
)
def test_other_versions(
    name: str, changes: dict[str, object], command: Command, folder: Path, run: Path
) -> None:
    reseal(run, name, **changes)
    refused(command, folder, "predict", "run", "rows.csv", "--out", "p.csv")


def test_weights_that_are_none(command: Command, folder: Path, run: Path) -> None:
    opened = Run.open(run)
    opened.write("model.safetensors", json.dumps({"not": "weights"}))
    opened.seal()
    assert "another version" in refused(command, folder, "predict", "run", "rows.csv", "--out", "p.csv")


@pytest.mark.parametrize(
    "change, hint",
    [
        (lambda t: t.drop("distance"), "distance"),
        (lambda t: t.head(0), "no rows"),
        (lambda t: t.rename({"carrier": "Carrier"}), "carrier"),
    ],
)
def test_tables_to_predict_for(change: Change, hint: str, command: Command, folder: Path, run: Path) -> None:
    change(table()).write_csv(folder / "new.csv")
    assert hint in refused(command, folder, "predict", "run", "new.csv", "--out", "p.csv")


def test_a_task_never_trained_on(command: Command, folder: Path) -> None:
    text = with_data('task_column = "carrier"').replace(
        '[[tasks]]\nname = "delay"\nkind = "regression"\n', ""
    )
    (folder / "run.toml").write_text(text)
    assert command("train", "run.toml", "--out", "run").code == 0
    table().with_columns(carrier=pl.lit("z")).write_csv(folder / "new.csv")
    assert "'z'" in refused(command, folder, "predict", "run", "new.csv", "--out", "p.csv")


def test_another_configuration_in_the_folder(command: Command, folder: Path, run: Path) -> None:
    (folder / "run.toml").write_text(replaced("epochs = 1", "epochs = 2"))
    assert "another configuration" in refused(command, folder, "train", "run.toml", "--out", "run")


tables = st.sampled_from(["data", "model", "train", "balance", "study", "tasks"])
keys = st.sampled_from(
    [
        "source",
        "split",
        "sharing",
        "hidden",
        "epochs",
        "seeds",
        "method",
        "engine",
        "every",
        "name",
        "kind",
        "x",
    ]
)
wrong = st.sampled_from(
    [
        -1,
        math.nan,
        "\0",
        [[]],
        {"a": 1},
        [-1],
        "x",
        math.inf,
        date(1979, 5, 27),
        [],
        1e-300,
        2**62,
        True,
        "",
        0,
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(tables, keys, wrong), min_size=1, max_size=2))
def test_generated_configurations(
    command: Command, folder: Path, changes: list[tuple[str, str, object]]
) -> None:
    """A configuration that works, spoiled in one or two places, is refused; or what is left of it works."""
    document = tomllib.loads(CONFIG)
    for name, key, value in changes:
        tables = document.setdefault(name, {})
        (tables[0] if isinstance(tables, list) else tables)[key] = value
    (folder / "run.toml").write_text(tomli_w.dumps(document))
    before = everything(folder)
    done = command("train", "run.toml", "--out", "out")
    if done.code == 0:
        shutil.rmtree(folder / "out")
        return
    assert done.code == 2, done
    assert_clear(done)
    assert everything(folder) == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.binary(max_size=80))
def test_generated_files(command: Command, folder: Path, content: bytes) -> None:
    (folder / "run.toml").write_bytes(content)
    refused(command, folder, "train", "run.toml", "--out", "out")
