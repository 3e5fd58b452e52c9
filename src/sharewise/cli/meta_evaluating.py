"""`sharewise meta evaluate`: a trained learner beside baselines becomes evidence and a report."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from sharewise.cli.folders import CONFIG, METRICS, REPORT, add_page, check_folder, finished_run
from sharewise.cli.meta_checks import check_baselines, check_tests, tell_differences, test_tasks
from sharewise.cli.meta_training import digest_of
from sharewise.config import PreparedMeta, load_meta_config, parse_meta_config, prepare_meta, to_toml
from sharewise.data.episodes.condition import ends
from sharewise.errors import ConfigError, DataError
from sharewise.files import MANIFEST
from sharewise.meta import Learner
from sharewise.meta.gradient import GradientLearner
from sharewise.report import render_fewshot
from sharewise.serve import load_learner
from sharewise.study import RichStudyProgress
from sharewise.study.fewshot import choose_rate, measure
from sharewise.train import RichProgress, Run
from sharewise.train.meta import fit_learner
from sharewise.train.run import TIMING

KIND = "few-shot"
BASELINES = "baselines"
#: What evaluations write.
OWN = frozenset({CONFIG, METRICS, MANIFEST, REPORT, TIMING, BASELINES})


def run_meta_evaluate(folder: Path, out: Path) -> None:
    """Measure the learner of a run beside baselines, and leave evidence and a report in `out`."""
    learner, run = load_learner(folder).learner, Run.open(folder)
    config = parse_meta_config(run.read(CONFIG).decode(), source=str(folder / CONFIG))
    check_folder(out, config, own=OWN, load=load_meta_config)
    evidence = _finished(out, run)
    if evidence is None:
        prepared = prepare_meta(config)
        _check_data(prepared, run)
        check_tests(prepared)
        check_baselines(prepared)
        tell_differences(Console(stderr=True), prepared)
        evidence = _measure_into(prepared, learner, run, out)
    show_meta_evaluation(Console(), evidence, out)


def show_meta_evaluation(console: Console, evidence: dict[str, Any], out: Path) -> None:
    """Print the results and where the page is."""
    episodes = evidence["plan"]["episodes"]
    title = f"{evidence['metric']} on {episodes:,} test episodes, and the 95 % interval's reach"
    entries = evidence["by_shots"]
    grid = Grid("learner", *(_shots(entry["shots"]) for entry in entries), title=title)
    for one in evidence["learners"]:
        cells = (_cell(entry["learners"][one["name"]]) for entry in entries)
        grid.add_row(Text(one["name"]), *cells)
    console.print(grid)
    verdict = evidence["verdict"]
    for text in (verdict["headline"], *verdict["sentences"], *verdict["notes"]):
        console.print(text, markup=False)
    console.print(f"The report: {out / REPORT}", markup=False)


def add_fewshot_report(run: Run, evidence: dict[str, Any], config: str) -> None:
    """Write the page of a measurement into its folder."""
    add_page(run, render_fewshot(evidence, config))


def _shots(count: int) -> str:
    return f"{count} {'shot' if count == 1 else 'shots'}"


def _cell(found: dict[str, float]) -> str:
    return f"{found['mean']:.4g} ± {(found['high'] - found['low']) / 2:.2g}"


def _finished(out: Path, run: Run) -> dict[str, Any] | None:
    done = finished_run(out)
    if done is None:
        return None
    evidence: dict[str, Any] = done.read_json(METRICS)
    if evidence.get("run") != run.digest:
        raise ConfigError(
            f"'{out}' holds the measurement of another run.", "Choose another folder, or remove this one."
        )
    return evidence


def _check_data(prepared: PreparedMeta, run: Run) -> None:
    """Refuse tasks that are not those of the training: the test's might be among the trained ones."""
    if digest_of(prepared) != run.read_json(METRICS)["data"]["digest"]:
        raise DataError(
            f"'{prepared.config.data.source}' has changed since '{run.folder}' was trained on it.",
            "Bring the data back, or train again.",
        )


def _measure_into(prepared: PreparedMeta, learner: Learner, run: Run, out: Path) -> dict[str, Any]:
    config = prepared.config
    learners = {config.learner.name: learner, **_baselines(prepared, out)}
    found = measure(
        learners,
        test_tasks(prepared),
        config.evaluate.plan(),
        trained=prepared.condition,
        scale=prepared.scale,
        mean=prepared.mean,
        progress=RichStudyProgress(),
    )
    timing = {"seconds": found.pop("seconds")}
    evidence = {"run": run.digest, **found}
    folder = Run.create(out)
    folder.write(CONFIG, to_toml(config))
    folder.write_json(METRICS, evidence)
    folder.write_json(TIMING, timing)
    add_fewshot_report(folder, evidence, to_toml(config))
    return evidence


def _baselines(prepared: PreparedMeta, out: Path) -> dict[str, Learner]:
    """Return what the learner is compared with, trained as long as it where there is something to train.

    Those that take steps have their rate chosen on the validation tasks, if there are any.
    """
    found = prepared.baselines()
    valid, low, high = prepared.episodes.valid, *ends(prepared.condition.shots)
    rated = replace(prepared.condition, shots=(max(low, 1), max(high, 1)))
    for name, learner in found.items():
        if learner.trained:
            fit_learner(
                learner,
                prepared.episodes.train,
                prepared.condition,
                prepared.config.train,
                valid=prepared.episodes.valid,
                folder=out / BASELINES / name,
                progress=RichProgress(label=name, unit="tasks"),
            )
        if isinstance(learner, GradientLearner) and learner.stepwise and valid is not None:
            # One that cannot read such episodes is left out of the test, which says why.
            with suppress(DataError):
                seed = prepared.config.train.seed
                choose_rate(learner, valid, rated, seed=seed, progress=RichStudyProgress())
    return found
