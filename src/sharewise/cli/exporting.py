"""`sharewise export`: a finished run becomes a folder that other runtimes read."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from sharewise.errors import ConfigError
from sharewise.export import Export, write_export
from sharewise.export.folder import check_out
from sharewise.export.onnx_file import check_exporter
from sharewise.ranking.artifact import RANKER, load_ranker
from sharewise.ranking.export import export_ranker
from sharewise.serve import load
from sharewise.serve.export import export_artifact
from sharewise.train import Run
from sharewise.train.run import MODEL


def run_export(run: Path, out: Path) -> None:
    """Export the model of a run, of a table or a ranker."""
    check_exporter()
    check_out(out)
    export = _export(run)
    write_export(export, out)
    most = max(export.differences.values())
    Console().print(
        f"The model is in {out}: {', '.join(export.columns)}. It differs from the run's own predictions by "
        f"{most:.1e} at most.",
        markup=False,
        highlight=False,
    )


def _export(folder: Path) -> Export:
    names = Run.open(folder).names
    if RANKER in names:
        return export_ranker(load_ranker(folder))
    if MODEL in names:
        return export_artifact(load(folder))
    raise ConfigError(
        f"'{folder}' holds no model that can be exported.", "Name the run of a table's model or of a ranker."
    )
