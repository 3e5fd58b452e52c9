"""`sharewise train`: a configuration becomes a trained model in a run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from sharewise.cli.checks import check_runs, diagnosing
from sharewise.cli.folders import CONFIG, METRICS, check_folder, finished_run, first_process
from sharewise.config import Prepared, load_config, prepare, to_toml
from sharewise.nn import MultiTaskModel
from sharewise.serve import save
from sharewise.study.conflict import conflict_of
from sharewise.train import FitResult, RichProgress, Run, evaluate, fit, fit_constant

KIND = "training"


def run_train(config: Path, out: Path, diagnose: bool = False) -> None:
    """Train the model that a configuration describes, and leave a run in `out`."""
    prepared = prepare(diagnosing(load_config(config), diagnose))
    check_folder(out, prepared.config)
    check_runs(prepared, [prepared.config.model])
    evidence = train_into(prepared, out)
    if first_process():
        show_training(Console(), evidence, out)


def train_into(prepared: Prepared, out: Path) -> dict[str, Any]:
    """Train, test and seal the run, or read a finished one; return the content of ``metrics.json``."""
    done = finished_run(out)
    if done is not None:
        return dict(done.read_json(METRICS))
    config, table = prepared
    model = MultiTaskModel(table.tasks, table.schema.inputs, config.model, seed=config.train.seed)
    balancer = config.balance.build(table.tasks)
    result = fit(model, table, config.train, balancer=balancer, folder=out, progress=RichProgress())
    evidence = _evidence(model, result, prepared)
    if first_process():
        _seal(Run.create(out), prepared, model, evidence)
    return evidence


def show_training(console: Console, evidence: dict[str, Any], out: Path) -> None:
    """Print how good the model is on the test split."""
    score = _number(evidence["test"]["score"])
    grid = Grid("task", "rows", "on the test split", title=f"{evidence['sharing']}: score {score}")
    for name, values in evidence["test"]["tasks"].items():
        metrics = {key: v for key, v in values.items() if key not in ("rows", "loss", "constant_loss")}
        words = "  ".join(f"{key} {_number(value)}" for key, value in metrics.items())
        grid.add_row(Text(name), f"{values['rows']:,}", Text(words))
    console.print(grid)
    if evidence.get("conflict"):
        console.print(evidence["conflict"]["words"], markup=False)
    where = f"The model is in {out}. Predict with: sharewise predict {out} DATA --out predictions.csv"
    console.print(where, markup=False)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _evidence(model: MultiTaskModel, result: FitResult, prepared: Prepared) -> dict[str, Any]:
    table, cost = prepared.table, model.cost()
    constant = fit_constant(table.train, table.tasks)
    return {
        "kind": KIND,
        "sharing": model.options.sharing,
        "best_step": result.best_step,
        "steps": result.steps,
        "valid_score": result.best_score,
        "parameters": cost.parameters,
        "multiplications": cost.multiplications,
        "test": evaluate(model, table.test, table.tasks, constant=constant).to_dict(),
        "conflict": conflict_of([result.history], table.tasks),
        "data": table.summary(),
    }


def _seal(run: Run, prepared: Prepared, model: MultiTaskModel, evidence: dict[str, Any]) -> None:
    run.write(CONFIG, to_toml(prepared.config))
    save(run, model, prepared.table.schema)
    run.write_json(METRICS, evidence)
    run.seal()
