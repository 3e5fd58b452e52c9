"""compare: which sharing structure, judged against a network for each task at equal budget."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from sharewise import files
from sharewise.data import Schema, Table
from sharewise.errors import ConfigError, DataError
from sharewise.nn import ModelOptions
from sharewise.study import advice, evidence
from sharewise.study.calibration import calibration
from sharewise.study.comparison import Comparison
from sharewise.study.conflict import conflicts_of
from sharewise.study.evidence import Judged, Runs
from sharewise.study.plan import BASELINE, Plan, make_plan
from sharewise.study.progress import StudyProgress
from sharewise.study.runner import Predicted, predict_test, timing_of, trained
from sharewise.study.splits import Source, StudyData
from sharewise.study.stages import Search, Stages
from sharewise.study.statistics import LEVEL
from sharewise.study.workers import Workers
from sharewise.train import Run, TrainOptions
from sharewise.train.run import LOG, TIMING

#: Of ``metrics.json``.
FORMAT = 1
#: Steps between two looks at the gradients, unless the options say otherwise: a few per cent of the time.
DIAGNOSE = 32


def compare(
    data: Source,
    structures: Sequence[str | ModelOptions],
    *,
    train: TrainOptions = TrainOptions(),
    seeds: int = 3,
    learning_rates: Sequence[float] = (),
    jobs: int = 1,
    threads: int = 1,
    balance: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
    progress: StudyProgress | None = None,
) -> Comparison:
    """Compare sharing structures with independent networks.

    Args:
        data: a `Table`.
        structures: names, or model options; "independent" is added if it is missing, with the options of the
            first.
        train: of every trial; its seed is the first of the seeds.
        seeds: runs of every structure that are judged; one gives no intervals.
        learning_rates: that every structure tries; empty or one of them means no search.
        jobs: trials at a time, each in a process of its own; the result does not depend on it.
        threads: of each trial; a part of what decides the last bits of a result, unlike `jobs`.
        balance: ``{"method": name, ...}`` as for `make_balancer`; equal weights by default.
        folder: where trials are kept, below ``trials/``. Called again, the study goes on from what is there.
            The best structure's model, with its best seed, becomes the folder's own. None keeps nothing.
        progress: told of the study's course; silent by default.

    Raises:
        ConfigError: if there is nothing to compare, or a name is unknown.
        DataError: if the validation or test split has no labels.
        DivergedError: if every learning rate of a structure diverges, or one of its judged runs.
    """
    _check(data, jobs, threads)
    told = progress or StudyProgress()
    if train.diagnose is None:
        train = replace(train, diagnose=DIAGNOSE)
    plan = make_plan(structures, train, seeds, learning_rates, balance or {"method": "equal"}, data.digest())
    study_data = StudyData.of(data)
    with ExitStack() as stack:
        stack.callback(told.close)
        where = Path(folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="sharewise-")))
        workers = stack.enter_context(Workers(study_data, jobs, threads, told))
        stages = Stages(plan, workers, where)
        rates, search = stages.search()
        runs = stages.judge(rates)
        best = evidence.best_run(runs[evidence.best_structure(runs)])
        best_folder = stages.folder(best.trial)
        model = trained(best.trial, study_data, best_folder)
        found = {
            **_header(plan, best, threads),
            **_measured(plan, runs, rates, search, study_data, predict_test(model, study_data)),
            "data": data.summary(),
        }
        timing = {run.trial.name: timing_of(stages.folder(run.trial)) for own in runs.values() for run in own}
        comparison = Comparison(_with_words(_as_json(found)), timing, model)
        if folder is not None:
            schema = data.schema if isinstance(data, Table) else None
            _keep(Run.create(folder), comparison, Run.open(best_folder), schema)
        return comparison


def _header(plan: Plan, best: Judged, threads: int) -> dict[str, Any]:
    trial = best.trial
    return {
        "format": FORMAT,
        "kind": "comparison",
        "baseline": BASELINE,
        "level": LEVEL,
        "seeds": list(plan.seeds),
        "threads": threads,
        "train": {**plan.train.to_dict(), "balance": dict(plan.balance)},
        "best": {"structure": trial.structure, "seed": trial.train.seed, "trial": trial.name},
    }


def _measured(
    plan: Plan,
    runs: Runs,
    rates: Mapping[str, float],
    search: Search,
    data: StudyData,
    predicted: Mapping[str, Predicted],
) -> dict[str, Any]:
    tasks = data.tasks
    return {
        "tasks": evidence.tasks_of(tasks),
        "structures": evidence.structures_of(plan, runs, rates),
        "search": {name: {f"{rate:g}": s for rate, s in own.items()} for name, own in search.items()},
        "results": evidence.results_of(runs, tasks),
        "effects": evidence.effects_of(evidence.differences(runs, tasks, BASELINE, LEVEL), tasks),
        "curves": evidence.curves_of(runs),
        "gates": evidence.gates_of(runs, tasks),
        "conflicts": conflicts_of(runs, tasks),
        "calibration": {task.name: calibration(task, predicted[task.name]) for task in tasks},
        "rows": {split: len(getattr(data, split)) for split in ("train", "valid", "test")},
        "clusters": None if data.clusters is None else len(set(data.clusters.tolist())),
    }


def _with_words(found: dict[str, Any]) -> dict[str, Any]:
    verdict = {
        "headline": advice.headline(found),
        "sentences": advice.sentences(found),
        "advice": advice.advice(found),
    }
    return {**found, "verdict": verdict}


def _check(data: Source, jobs: int, threads: int) -> None:
    for name, value in (("jobs", jobs), ("threads", threads)):
        if value < 1:
            raise ConfigError(f"A study cannot use {value} {name}.", "Use at least 1.")
    for split, batch in (("validation", data.valid), ("test", data.test)):
        if not bool(batch.mask.any()):
            raise DataError(f"The {split} split has no labels.", "Choose another split.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "A study starts worker processes of its own.", "Start it without torchrun, and set its jobs."
        )


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    """As it will be read from ``metrics.json``: no tuples, and null for numbers that are not finite."""
    plain: dict[str, Any] = json.loads(files.to_json(values))
    return plain


def _keep(run: Run, comparison: Comparison, best: Run, schema: Schema | None) -> None:
    run.write_weights(comparison.model)
    if schema is not None:
        run.write_model(comparison.model, schema)
    run.write(LOG, best.read(LOG))
    run.write_json(TIMING, comparison.timing)
    run.seal()
