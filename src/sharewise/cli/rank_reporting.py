"""`sharewise rank report`: the page of a ranker, and its numbers as JSON beside it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from sharewise import files
from sharewise.cli.folders import CONFIG, check_page
from sharewise.ranking.evidence import evidence_of
from sharewise.ranking.front import TuneOptions
from sharewise.report import write_ranking_page
from sharewise.train import Run


def run_rank_report(folder: Path, out: Path, options: TuneOptions, truth: Path | None) -> None:
    """Write the page of a finished run."""
    check_page(out)
    run = Run.open(folder)
    config = run.read(CONFIG).decode() if CONFIG in run.names else ""
    evidence = evidence_of(folder, options, truth)
    files.make_folder(out.absolute().parent)
    write_ranking_page(out, evidence, config)
    Console().print(f"The page is {out.absolute()}", markup=False, highlight=False, soft_wrap=True)
