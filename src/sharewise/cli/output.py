"""`sharewise predict` and `sharewise report`: what a finished run gives."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from sharewise.cli import meta_evaluating, meta_training, rank_candidates, rank_evaluating, training
from sharewise.cli.comparing import add_report, show_comparison
from sharewise.cli.folders import CONFIG, METRICS, check_sealed
from sharewise.cli.training import show_training
from sharewise.data import read_frame
from sharewise.serve import check_path, load, write_predictions
from sharewise.train import Run


def run_predict(run: Path, data: str, out: Path) -> None:
    """Predict for the rows of a table and write them as a file."""
    check_path(out)
    check_sealed(out)
    predictions = load(run).predict(read_frame(data))
    write_predictions(predictions, out)
    Console().print(f"{len(predictions):,} rows of predictions are in {out}", markup=False)


def run_report(folder: Path) -> None:
    """Print the result of a finished run; of a comparison or a measurement also write the page anew."""
    run, console = Run.open(folder), Console()
    evidence = run.read_json(METRICS)
    if evidence["kind"] == training.KIND:
        show_training(console, evidence, folder)
    elif evidence["kind"] == rank_evaluating.KIND:
        rank_evaluating.run_rank_evaluate(folder)
    elif evidence["kind"] == rank_candidates.KIND:
        rank_candidates.show_recall(console, evidence["recall"])
    elif evidence["kind"] == meta_training.KIND:
        meta_training.show_meta_training(console, evidence, folder)
    elif evidence["kind"] == meta_evaluating.KIND:
        meta_evaluating.add_fewshot_report(run, evidence, run.read(CONFIG).decode())
        meta_evaluating.show_meta_evaluation(console, evidence, folder)
    else:
        add_report(run, evidence, run.read(CONFIG).decode())
        show_comparison(console, evidence, folder)
