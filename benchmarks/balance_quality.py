"""Every balancing method against tuned equal weights, and against a network for each task, on real data.

Claim: none in advance; the table is the result. Five sets of tasks (`balance_data.py`): New York flights,
both groups of census-income, yeast, and MultiMNIST. On each, a shared bottom learns under every method with
its defaults, and `independent` networks learn apart. All get the same search for a learning rate with the
first seed: from those of START on it is doubled or halved until the best on the validation split lies between
two worse ones, then all seeds run at that rate; the weights of the best evaluation are tested. The test split
chooses nothing. With --cache what has run is not run again.

Differences are paired by seed. `helps` and `hurts` count tasks by the verdicts of `sharewise.compare` (errors
of seeds and of test rows, Holm's correction over all methods and tasks of a data set). `over_tasks` is the
mean over tasks of the primary metric (AUC, R2, D2, accuracy), minus that of equal weights, with Student's
interval over seeds; it is not corrected for the number of methods: of 25 intervals one or two leave out 0 by
chance.

Figures: `<data>.<method>` with `rate`, `mean`, `minus_equal`, `minus_independent`, `helps`, `hurts`, `tasks`,
`seconds`; a method that refuses the data says why in `refused`.
"""

from __future__ import annotations

import json
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from balance_data import SETTINGS, setting
from numpy.typing import NDArray

import common
from sharewise.balance import METHODS, make_balancer
from sharewise.errors import SharewiseError
from sharewise.nn import MultiTaskModel
from sharewise.study.runner import predict_test
from sharewise.study.statistics import Sample, compare_samples, contributions
from sharewise.train import fit

#: Learning rates to start from, and the ends of the search.
START = (8e-3, 1.6e-2)
LEAST, MOST = 2.5e-4, 0.128
EQUAL, ALONE = "equal", "independent"
#: `fixed` with weights of 1 is equal; ExcessMTL needs the gradients themselves.
NAMES = (EQUAL, ALONE, *(name for name in METHODS if name not in (EQUAL, "fixed")))
ENGINE = {"excess_mtl": "exact"}


class Job(NamedTuple):
    """One run."""

    data: str
    method: str
    rate: float
    seed: int
    quick: bool
    cache: Path


@dataclass(frozen=True)
class Ran:
    """What came of a run.

    Attributes:
        score: of the best evaluation on the validation split.
        values: the primary metric of every task on the test split.
        units: what the units of test rows contribute to its error, by task.
        seconds: it took.
        refused: why it could not be run.
    """

    score: float = float("-inf")
    values: dict[str, float] | None = None
    units: dict[str, NDArray[np.float32]] | None = None
    seconds: float = 0.0
    refused: str = ""


def run(job: Job) -> Ran:
    """Train, and judge on the test split; or read what came of it before."""
    file = job.cache / f"{job.data}-{job.method}-{job.rate:g}-{job.seed}{'-quick' * job.quick}.npz"
    if not file.exists():
        _write(_run(job), file)
    return _read(file)


def _write(ran: Ran, file: Path) -> None:
    plain = {"score": ran.score, "values": ran.values, "seconds": ran.seconds, "refused": ran.refused}
    temporary = file.with_suffix(".part")
    with temporary.open("wb") as stream:
        np.savez(stream, plain=np.array(json.dumps(plain)), **(ran.units or {}))
    temporary.replace(file)


def _read(file: Path) -> Ran:
    with np.load(file, allow_pickle=False) as stored:
        plain = json.loads(str(stored["plain"]))
        units = {name: stored[name] for name in stored.files if name != "plain"}
    return Ran(**plain, units=units or None)


def _run(job: Job) -> Ran:
    torch.set_num_threads(1)
    chosen = setting(job.data, job.quick)
    data, alone = chosen.data, job.method == ALONE
    began = time.perf_counter()
    try:
        model = MultiTaskModel(
            data.tasks,
            data.inputs,
            replace(chosen.model, sharing=ALONE if alone else "shared_bottom"),
            seed=job.seed,
        )
        method = EQUAL if alone else job.method
        balancer = make_balancer(data.tasks, method, ENGINE.get(method, "ghost"))
        options = replace(chosen.train, learning_rate=job.rate, seed=job.seed)
        if job.quick:
            options = replace(options, epochs=2)
        score = fit(model, data, options, balancer=balancer).best_score
    except SharewiseError as error:
        return Ran(refused=str(error))
    seconds = time.perf_counter() - began
    values, units = {}, {}
    for name, predicted in predict_test(model, data).items():
        task = data.tasks[data.tasks.names.index(name)]
        found = task.kind.effect(predicted.predictions, predicted.targets, predicted.weights)
        clusters = None if data.clusters is None else data.clusters[data.test.mask[:, task_index(data, name)]]
        values[name] = float(found.value)
        units[name] = contributions(found.influence, clusters).astype(np.float32)
    return Ran(score, values, units, seconds)


def task_index(data: Any, name: str) -> int:
    """Return the number of the task."""
    return int(data.tasks.names.index(name))


def runs(chosen: Namespace, pool: ProcessPoolExecutor, data: str) -> dict[str, tuple[float, list[Ran]]]:
    """Return every method's best rate and its runs, one a seed; none for a method that refuses."""

    def job(name: str, rate: float, seed: int) -> Job:
        return Job(data, name, rate, seed, chosen.quick, chosen.cache)

    scores = search(chosen, pool, job)
    best = {name: max(own, key=lambda rate, own=own: own[rate]) for name, own in scores.items()}
    every = [job(name, best[name], seed) for name in chosen.methods for seed in range(chosen.seeds)]
    found: dict[str, list[Ran]] = {name: [] for name in chosen.methods}
    for one, ran in zip(every, told(pool, every), strict=True):
        found[one.method].append(ran)
    return {name: (best[name], own) for name, own in found.items()}


def search(
    chosen: Namespace, pool: ProcessPoolExecutor, job: Callable[[str, float, int], Job]
) -> dict[str, dict[float, float]]:
    """Return the validation scores by method and rate, until the best lies between two worse ones."""
    scores: dict[str, dict[float, float]] = {name: {} for name in chosen.methods}
    open_jobs = [job(name, rate, 0) for name in chosen.methods for rate in START]
    while open_jobs:
        for one, ran in zip(open_jobs, told(pool, open_jobs), strict=True):
            scores[one.method][one.rate] = ran.score
        open_jobs = [job(name, rate, 0) for name, own in scores.items() for rate in beside(own)]
    return scores


def beside(scores: dict[float, float]) -> list[float]:
    """Return the rates to try next: those beside the best that were not tried."""
    best = max(scores, key=lambda rate: scores[rate])
    if scores[best] == float("-inf"):
        return []
    return [rate for rate in (best / 2, best * 2) if rate not in scores and LEAST <= rate <= MOST]


def told(pool: ProcessPoolExecutor, jobs: Sequence[Job]) -> Iterable[Ran]:
    """Yield the runs of the jobs in their order, and say how far it is."""
    for number, (job, ran) in enumerate(zip(jobs, pool.map(run, jobs), strict=True), 1):
        common.say(f"{number}/{len(jobs)} {job.data} {job.method} {job.rate} {job.seed}: {ran.score:.4f}")
        yield ran


def sample(own: Sequence[Ran], task: str) -> Sample:
    """Return a task's metric over seeds."""
    values = [ran.values[task] for ran in own if ran.values is not None]
    units = [ran.units[task] for ran in own if ran.units is not None]
    return Sample(np.array(values), np.stack(units).astype(np.float64))


def over_tasks(own: Sequence[Ran]) -> NDArray[np.float64]:
    """Return the mean over tasks of the metric, one a seed."""
    return np.array([np.mean(list(ran.values.values())) for ran in own if ran.values is not None])


def measure(chosen: Namespace, pool: ProcessPoolExecutor, data: str) -> dict[str, Any]:
    """Return the figures of one data set."""
    every = runs(chosen, pool, data)
    tasks = list(every[EQUAL][1][0].values or {})
    whole = {name: own for name, (_, own) in every.items() if not any(ran.refused for ran in own)}
    samples = {name: {task: sample(own, task) for task in tasks} for name, own in whole.items()}
    verdicts = compare_samples(samples, EQUAL)
    means = {name: over_tasks(own) for name, own in whole.items()}
    found: dict[str, Any] = {}
    for name, (rate, own) in every.items():
        if name not in whole:
            found[name] = {"refused": next(ran.refused for ran in own if ran.refused)}
            continue
        mine = [verdict for verdict in verdicts if verdict.structure == name]
        found[name] = {
            "rate": rate,
            "mean": float(means[name].mean()),
            "sd": float(means[name].std(ddof=1)) if len(means[name]) > 1 else None,
            "minus_equal": common.paired(means[name] - means[EQUAL]),
            "minus_independent": common.paired(means[name] - means[ALONE]),
            "helps": [verdict.task for verdict in mine if verdict.verdict == "helps"],
            "hurts": [verdict.task for verdict in mine if verdict.verdict == "hurts"],
            "tasks": {task: float(samples[name][task].values.mean()) for task in tasks},
            "seconds": median(ran.seconds for ran in own),
        }
    return found


def table(figures: dict[str, dict[str, Any]]) -> str:
    """Return differences from equal weights as Markdown, in thousandths, the best method on average first."""
    names = list(next(iter(figures.values())))
    ranks = {name: float(np.mean([_rank(found, name) for found in figures.values()])) for name in names}
    lines = [
        f"| minus equal, 1/1000 | {' | '.join(figures)} | tasks helped / hurt |",
        "|---" * (len(figures) + 2) + "|",
    ]
    for name in sorted(names, key=lambda name: ranks[name]):
        cells = [_cell(found, name) for found in figures.values()]
        every = [found[name] for found in figures.values()]
        counts = [sum(len(one.get(key, [])) for one in every) for key in ("helps", "hurts")]
        lines.append(f"| {name} | {' | '.join(cells)} | {counts[0]} / {counts[1]} |")
    return "\n".join(lines)


def _rank(found: dict[str, Any], name: str) -> int:
    """Return how many methods are better."""
    return sum(one.get("mean", -np.inf) > found[name].get("mean", -np.inf) for one in found.values())


def _cell(found: dict[str, Any], name: str) -> str:
    one = found[name]
    if "refused" in one:
        return "refused"
    return f"mean {one['mean']:.3f}" if name == EQUAL else difference(one["minus_equal"])


def difference(one: dict[str, float]) -> str:
    """Return a difference with its interval, in thousandths; in bold if 0 is not in it."""
    text = f"{1e3 * one['mean']:+.1f} [{1e3 * one['low']:+.1f}, {1e3 * one['high']:+.1f}]"
    return f"**{text}**" if one["low"] > 0 or one["high"] < 0 else text


def main() -> None:
    """Measure and print."""
    parser = common.parser(__doc__)
    parser.add_argument("--data", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, of one thread each")
    parser.add_argument("--cache", type=Path, help="folder of what has run, for a run that was cut to go on")
    parser.add_argument("--table", help="write a table in Markdown to this file too")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seeds = min(chosen.seeds, 2)
    chosen.methods = list(dict.fromkeys([EQUAL, ALONE, *chosen.methods]))
    figures = {}
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as temporary, ProcessPoolExecutor(chosen.jobs, context) as pool:
        chosen.cache = chosen.cache or Path(temporary)
        chosen.cache.mkdir(parents=True, exist_ok=True)
        for data in chosen.data:
            figures[data] = measure(chosen, pool, data)
            common.say(table({data: figures[data]}))
    if chosen.table:
        with open(chosen.table, "w", encoding="utf-8") as file:
            file.write(table(figures) + "\n")
    common.finish({**figures, "start": START, "seeds": chosen.seeds})


if __name__ == "__main__":
    main()
