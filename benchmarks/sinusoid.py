"""Sinusoids from a few points: every learner of numbers, after 0, 1, 5 and 10 steps, and the baselines.

Claim: MAML as in its paper (Finn et al. 2017, section 5.1: K = 10, one inner step of 0.01 of the squared
error, which is 0.02 of its half, 70,000 iterations of 25 tasks, Adam at 1e-3, which here falls by a
cosine) has a mean squared error of at most 0.35 / 0.17 / 0.12 after 1 / 5 / 10 steps at K = 10; 90 %
intervals of ALPaCA and of what reads the support set cover about 90 %.

Every learner is trained with several seeds and tested on the same 600 tasks of its own random stream, 100
query points each, with K = 5, 10, 20. Learners that take steps are trained with K = 10, as in the paper;
those that read the support set in one pass with a K drawn from 5 to 20 for every batch, as they are to be
tested. `RECIPES` says how each is trained; --iterations cuts all budgets to so many. `own` is the number of
steps that a learner takes by itself. Intervals are for new tasks and new seeds together (95 %; the two
variances added, Student's factor by the number of seeds).

The papers show their results on sinusoids as curves, of other ranges and noise than here except for MAML's:
no figures of theirs are quoted.

Figures: `mse.<learner>.<K>.<steps>` with `mean`, `low`, `high`; `calibration.<learner>.<K>` with `covered`
(share within the 90 % interval) and `nll` (nats); `seconds.<learner>` a training run took here;
`diverged.<learner>` runs that did, which are left out.
"""

from __future__ import annotations

import functools
import multiprocessing
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from math import log, pi, sqrt
from pathlib import Path
from typing import Any

import curves
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t

import common
from sharewise.data.episodes import Condition
from sharewise.data.episodes.functions import Sinusoids
from sharewise.errors import DivergedError
from sharewise.meta import Learner, NetOptions, Spec, make_learner
from sharewise.train.meta import fit_learner
from sharewise.train.meta_evaluate import evaluate_learner
from sharewise.train.meta_options import MetaOptions

SOURCE = Sinusoids()
SPEC = Spec(SOURCE.inputs, SOURCE.kind)
SHOTS = (5, 10, 20)
STEPS = (0, 1, 5, 10)
TASKS = 600
STEPPING = Condition(shots=10, queries=10)
READING = Condition(shots=(5, 20), queries=10)
SMALL = NetOptions()
WIDE = NetOptions(hidden=(128, 128, 32))
DRAWN = ("maml", "reptile", "cavia", "fine_tuned", "alpaca", "transformer")


@dataclass(frozen=True)
class Recipe:
    """How a learner is made and trained.

    Attributes:
        name: of the learner.
        options: of it.
        iterations, rate, schedule, optimizer: of the outer loop.
        condition: of the training episodes.
        net: its network.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    iterations: int = 20_000
    rate: float = 1e-3
    schedule: str = "cosine"
    optimizer: str = "adam"
    condition: Condition = STEPPING
    net: NetOptions = SMALL

    def make(self, seed: int) -> Learner:
        return make_learner(self.name, SPEC, seed=seed, net=self.net, **self.options)


PAPER: dict[str, Any] = {"iterations": 70_000}
READS: dict[str, Any] = {"condition": READING, "net": WIDE}
RECIPES = {
    "maml": Recipe("maml", {"steps": 1, "rate": 0.02}, **PAPER),
    "maml_first_order": Recipe("maml", {"steps": 1, "rate": 0.02, "second_order": False}, **PAPER),
    "maml_plus": Recipe("maml_plus", {"steps": 5, "rate": 0.01}),
    "meta_sgd": Recipe("meta_sgd", {"steps": 1, "rate": 0.02}),
    "anil": Recipe("anil", {"steps": 5, "rate": 0.03}),
    "cavia": Recipe("cavia", {"steps": 1, "rate": 1.0}),
    "reptile": Recipe("reptile", {"steps": 10, "rate": 0.04}, rate=0.5, optimizer="sgd", schedule="linear"),
    "imaml": Recipe("imaml", {"steps": 16, "rate": 0.003}, iterations=5_000),
    "r2d2": Recipe("r2d2", **READS),
    "alpaca": Recipe("alpaca", **READS),
    "matching": Recipe("matching", **READS),
    "cnp": Recipe("cnp", {"floor": 0.02}, condition=READING),
    "anp": Recipe("anp", {"floor": 0.02}, condition=READING),
    "transformer": Recipe("transformer", {"floor": 0.02}, condition=READING),
    "scratch": Recipe("scratch"),
    "pooled": Recipe("pooled"),
    "fine_tuned": Recipe("fine_tuned"),
}


@dataclass(frozen=True)
class Job:
    """One training run."""

    name: str
    seed: int
    iterations: int
    folder: Path


def recipe_of(job: Job) -> Recipe:
    recipe = RECIPES[job.name]
    return replace(recipe, iterations=min(recipe.iterations, job.iterations))


def train(job: Job) -> tuple[Learner | None, float]:
    """Return the trained learner and the seconds of its run; what lies in the folder is not trained again.

    It is None if the run diverged.
    """
    recipe = recipe_of(job)
    learner = recipe.make(job.seed)
    options = MetaOptions(
        iterations=recipe.iterations,
        tasks_per_batch=25,
        learning_rate=recipe.rate,
        schedule=recipe.schedule,
        optimizer=recipe.optimizer,
        clip=10.0 if recipe.schedule != "constant" else None,
        eval_every=recipe.iterations,
        seed=job.seed,
        device="cpu",
    )
    folder = job.folder / f"{job.name}-{recipe.iterations}-{job.seed}"
    try:
        found = fit_learner(learner, SOURCE, recipe.condition, options, folder=folder)
    except DivergedError:
        return None, float("nan")
    return learner, found.seconds


def train_apart(job: Job) -> tuple[Job, float]:
    torch.set_num_threads(1)
    return job, train(job)[1]


def test(learner: Learner, shots: int, steps: int | None, tasks: int) -> tuple[NDArray[np.float64], Any]:
    """Return the squared errors of the tasks, and the share covered with the likelihood where they are."""
    found = evaluate_learner(
        learner,
        SOURCE,
        Condition(shots=shots, queries=100),
        episodes=tasks,
        steps=steps,
        name=f"test {shots}",
    )
    if found.covered is None:
        return found.metric, None
    return found.metric, (float(found.covered.mean()), float(found.loss.mean()) + 0.5 * log(2 * pi))


def interval(errors: Sequence[NDArray[np.float64]]) -> dict[str, float | None]:
    """Return the mean over seeds and tasks with its interval for new ones of both; None where it diverges."""
    each = np.stack(errors)
    if not np.isfinite(each).all():
        return {"mean": None, "low": None, "high": None}
    mean = float(each.mean())
    if len(each) < 2:
        return {"mean": mean, "low": mean, "high": mean}
    variance = each.mean(1).var(ddof=1) / len(each) + each.mean(0).var(ddof=1) / each.shape[1]
    reach = float(t.ppf(0.975, len(each) - 1)) * sqrt(variance)
    return {"mean": mean, "low": mean - reach, "high": mean + reach}


def measure(chosen: Any, name: str, folder: Path) -> dict[str, Any]:
    """Return one learner's errors and calibration by K, and the median seconds of its runs."""
    trained = [train(Job(name, seed, chosen.iterations, folder)) for seed in range(chosen.seeds)]
    learners = [learner for learner, _ in trained if learner is not None]
    errors: dict[str, Any] = {}
    calibration: dict[str, Any] = {}
    for shots in SHOTS if learners else ():
        steps = {"own": None} | ({str(s): s for s in STEPS} if learners[0].stepwise else {})
        errors[str(shots)] = {}
        for label, count in steps.items():
            found = [test(learner, shots, count, chosen.tasks) for learner in learners]
            errors[str(shots)][label] = interval([each for each, _ in found])
            known = [each for _, each in found if each is not None]
        if known:
            covered, nll = np.mean(known, axis=0).tolist()
            calibration[str(shots)] = {"covered": covered, "nll": nll}
    return {
        "mse": errors,
        "calibration": calibration,
        "seconds": round(float(np.nanmedian([seconds for _, seconds in trained])), 1) if learners else None,
        "diverged": len(trained) - len(learners),
    }


def table(mse: dict[str, Any], calibration: dict[str, Any]) -> str:
    """Return the errors as a Markdown table."""
    columns = [*(str(s) for s in STEPS), "own"]
    lines = [
        "| learner | K | " + " | ".join(f"{c} steps" for c in columns) + " | covered (90 %) | NLL |",
        "|---|---|" + "---|" * (len(columns) + 2),
    ]
    for name, by_shots in mse.items():
        for shots, by_steps in by_shots.items():
            cells = [cell(by_steps[c]) if c in by_steps else "" for c in columns]
            known = calibration.get(name, {}).get(shots)
            cells += [f"{100 * known['covered']:.1f} %", f"{known['nll']:.2f}"] if known else ["", ""]
            lines.append(f"| {name} | {shots} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(found: dict[str, Any]) -> str:
    if found["mean"] is None:
        return "diverges"
    return f"{found['mean']:.3f} ± {found['high'] - found['mean']:.3f}"


def figure(mse: dict[str, Any]) -> str:
    """Return the curves: error against steps, as far as it is not above that of none; a line across where a
    learner takes none.
    """
    panels: dict[str, Sequence[curves.Curve]] = {}
    for shots in map(str, SHOTS):
        panels[f"K = {shots}"] = drawn = []
        for name in DRAWN:
            if mse.get(name):
                own = mse[name][shots]
                points = [own.get(str(s), own["own"]) for s in STEPS]
                points = list(takewhile(lambda p, most=points[0]["high"]: _within(p, most), points))
                if not points:
                    continue
                parts = ([p[key] for p in points] for key in ("mean", "low", "high"))
                drawn.append(curves.Curve(name, STEPS[: len(points)], *parts))
    return curves.draw(panels, "gradient steps", "mean squared error")


def _within(point: dict[str, float | None], most: float) -> bool:
    return point["high"] is not None and point["high"] <= most


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=70_000, help="at most, for every learner")
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--learners", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each that train")
    parser.add_argument("--cache", metavar="FOLDER", help="where trained learners lie; what is there is used")
    parser.add_argument("--table", metavar="FILE", help="write the errors as a Markdown table")
    parser.add_argument("--figure", metavar="FILE", help="draw the curves, such as docs/images/sinusoid.svg")
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.quick:
        chosen.seeds, chosen.iterations, chosen.tasks = 2, 50, 64
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(chosen.cache or temporary)
        if chosen.jobs > 1:
            jobs = [
                Job(name, seed, chosen.iterations, folder)
                for name in chosen.learners
                for seed in range(chosen.seeds)
            ]
            with multiprocessing.get_context("spawn").Pool(chosen.jobs) as pool:
                for job, seconds in pool.imap_unordered(train_apart, jobs):
                    common.say(f"{job.name}, seed {job.seed}: {seconds:.0f} s")
        found: dict[str, dict[str, Any]] = {"mse": {}, "calibration": {}, "seconds": {}, "diverged": {}}
        for name in chosen.learners:
            for kind, own in measure(chosen, name, folder).items():
                if own or kind in ("mse", "diverged"):
                    found[kind][name] = own
            common.say(table({name: found["mse"][name]}, found["calibration"]))
            write = functools.partial(Path.write_text, encoding="utf-8")
            if chosen.table:
                write(Path(chosen.table), table(found["mse"], found["calibration"]))
    if chosen.figure:
        write(Path(chosen.figure), figure(found["mse"]))
    budget = {"seeds": chosen.seeds, "tasks": chosen.tasks, "most_iterations": chosen.iterations}
    common.finish({**found, "budget": budget})


if __name__ == "__main__":
    main()
