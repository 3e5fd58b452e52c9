"""Sharewise: what should these tasks share? A trained model, and evidence against independent networks.

The names below are handed on from the packages where they live, each imported when it is first asked for, so
that ``import sharewise`` costs nothing. No code lives here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sharewise.config import load_config
    from sharewise.data import (
        Batch,
        BatchSource,
        ColumnSplit,
        Features,
        FractionSplit,
        GroupSplit,
        Table,
        TimeSplit,
    )
    from sharewise.errors import CheckpointError, ConfigError, DataError, DivergedError, SharewiseError
    from sharewise.nn import ModelOptions, MultiTaskModel
    from sharewise.serve import Artifact, load
    from sharewise.study.compare import compare
    from sharewise.study.comparison import Comparison
    from sharewise.tasks import Custom, InputSpec, Kind, Task, TaskSet, register_kind
    from sharewise.train.evaluate import evaluate
    from sharewise.train.fit import fit
    from sharewise.train.options import TrainOptions
    from sharewise.train.predict import predict

_HOMES = {
    "sharewise.config": ("load_config",),
    "sharewise.data": (
        "Batch",
        "BatchSource",
        "ColumnSplit",
        "Features",
        "FractionSplit",
        "GroupSplit",
        "Table",
        "TimeSplit",
    ),
    "sharewise.errors": ("CheckpointError", "ConfigError", "DataError", "DivergedError", "SharewiseError"),
    "sharewise.nn": ("ModelOptions", "MultiTaskModel"),
    "sharewise.serve": ("Artifact", "load"),
    "sharewise.study": ("Comparison", "compare"),
    "sharewise.tasks": ("Custom", "InputSpec", "Kind", "Task", "TaskSet", "register_kind"),
    "sharewise.train": ("TrainOptions", "evaluate", "fit", "predict"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Artifact",
    "Batch",
    "BatchSource",
    "CheckpointError",
    "ColumnSplit",
    "Comparison",
    "ConfigError",
    "Custom",
    "DataError",
    "DivergedError",
    "Features",
    "FractionSplit",
    "GroupSplit",
    "InputSpec",
    "Kind",
    "ModelOptions",
    "MultiTaskModel",
    "SharewiseError",
    "Table",
    "Task",
    "TaskSet",
    "TimeSplit",
    "TrainOptions",
    "compare",
    "evaluate",
    "fit",
    "load",
    "load_config",
    "predict",
    "register_kind",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sharewise' has no attribute '{name}'")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    return __all__
