"""The names at the top are a promise: a change of this list is a change of the interface."""

from __future__ import annotations

import subprocess
import sys

import sharewise

NAMES = [
    *("Artifact", "Batch", "BatchSource", "CheckpointError", "ColumnSplit", "Comparison", "ConfigError"),
    *("Custom", "DataError", "DivergedError", "Features", "FractionSplit", "GroupSplit", "InputSpec", "Kind"),
    *("ModelOptions", "MultiTaskModel", "SharewiseError", "Table", "Task", "TaskSet", "TimeSplit"),
    *("TrainOptions", "compare", "evaluate", "fit", "load", "load_config", "predict", "register_kind"),
]


def test_names_are_as_promised() -> None:
    assert sharewise.__all__ == NAMES
    assert len(NAMES) <= 30


def test_every_name_is_there_and_documented() -> None:
    for name in NAMES:
        assert getattr(sharewise, name).__doc__, name


def test_import_brings_nothing_heavy() -> None:
    code = (
        "import sys, time; start = time.perf_counter(); import sharewise; took = time.perf_counter() - start;"
        "heavy = {'torch', 'polars', 'pydantic', 'typer', 'scipy'} & set(sys.modules);"
        "assert not heavy and took < 0.3, (heavy, took)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
