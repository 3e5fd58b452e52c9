"""`sharewise compare`: a configuration becomes evidence, a report and the best model in a run's folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from sharewise.cli.checks import check_runs, diagnosing
from sharewise.cli.folders import CONFIG, METRICS, REPORT, add_page, check_folder, finished_run
from sharewise.config import Prepared, RunConfig, load_config, prepare, to_toml
from sharewise.nn import ModelOptions
from sharewise.report import print_comparison, render
from sharewise.serve import save
from sharewise.study import RichStudyProgress, compare
from sharewise.train import Run

#: What is compared where a configuration names nothing.
DEFAULT = ("independent", "shared_bottom", "multiply", "cross_stitch", "mmoe")


def run_compare(config: Path, out: Path, diagnose: bool = False) -> None:
    """Compare the structures that a configuration names, and leave the evidence in `out`."""
    prepared = prepare(diagnosing(load_config(config), diagnose))
    check_folder(out, prepared.config)
    check_runs(prepared, structures_of(prepared.config))
    evidence = compare_into(prepared, out)
    show_comparison(Console(), evidence, out)


def compare_into(prepared: Prepared, out: Path) -> dict[str, Any]:
    """Compare, report and seal the run, or read a finished one; return the content of ``metrics.json``."""
    done = finished_run(out)
    if done is not None:
        return dict(done.read_json(METRICS))
    config, table = prepared
    comparison = compare(
        table,
        structures_of(config),
        train=config.train,
        seeds=config.study.seeds,
        learning_rates=config.study.learning_rates,
        jobs=config.study.jobs,
        balance=config.balance.model_dump(),
        folder=out,
        progress=RichStudyProgress(),
    )
    run, evidence = Run.create(out), comparison.to_dict()
    run.write(CONFIG, to_toml(config))
    save(run, comparison.model, table.schema)
    run.write_json(METRICS, evidence)
    add_report(run, evidence, to_toml(config))
    return evidence


def add_report(run: Run, evidence: dict[str, Any], config: str) -> None:
    """Write the page of a comparison into its run."""
    add_page(run, render(evidence, config))


def show_comparison(console: Console, evidence: dict[str, Any], out: Path) -> None:
    """Print the verdicts and where the page is."""
    print_comparison(console, evidence)
    console.print(f"The report: {out / REPORT}", markup=False)
    model = f"The model ({evidence['best']['structure']}): sharewise predict {out} DATA --out FILE.csv"
    console.print(model, markup=False)


def structures_of(config: RunConfig) -> tuple[ModelOptions, ...]:
    """Return what a configuration compares."""
    return config.study.structures or tuple(replace(config.model, sharing=name) for name in DEFAULT)
