"""Claims about the ranker, on simulated logs whose truth is known: position, experts, gates, what to rank by.

Claims of Zhao et al. (RecSys 2019), each measured over worlds of other seeds, paired by the world. A ranker
learns a world in the order of time; every figure is of the last half of its partitions, each predicted before
it is trained on, with the place missing as when serving.

(a) `position`: a shallow tower for the place against the place as an input feature against neither: NDCG of
    the click's order against the true chance of a click, and of the score against the true mixture; and the
    correlation of the tower's curve with the logarithm of the true examination, by device; and by what
    proposed an item, how far the logit of its click is above the truth.
(b) `experts`: MMoE of 4 and 8 experts against a shared bottom of as many multiplications: AUC or R2 of every
    objective.
(c) `gates`: in how many runs a task's gate ends polarised (more than 0.9 of its mean weight on one expert),
    with each cure and without, and what the cure costs. The runs learn at three times the usual rate:
    at the usual one gates seldom polarise within a day.
(d) `objectives`: rankers of one objective alone, and single objectives of the one that learns all, against
    the score that combines them: true engagement and satisfaction, and what a list would have brought.

Figures: `position`, `experts`, `gates`, `objectives` as said at their functions; differences with Student's
95 % interval over worlds. With --cache what has run is not run again.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from ranking_plans import ALONE, BASE, CURES, FEATURE, MATCHED, NONE, TASKS, plans
from scipy.special import logit

import common
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.evidence import kept_of, places, world_of
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.kept import Kept
from sharewise.ranking.orders import against_truth
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.world import WorldOptions, write_world
from sharewise.tasks.tally import BinaryTally, NumberTally
from sharewise.train import Run

WORLD = WorldOptions()
QUICK = replace(WORLD, users=2_000, videos=500, hours=6, requests_per_hour=500)


class Job(NamedTuple):
    """One run: a plan by its name, in a world."""

    name: str
    world: int
    seed: int
    chosen: Namespace

    @property
    def file(self) -> Path:
        size = "quick" if self.chosen.quick else "full"
        return Path(self.chosen.cache / f"{size}-{self.world}-{self.seed}-{self.name.replace(' ', '_')}.json")


def world_of_seed(chosen: Namespace, seed: int) -> Path:
    """Return where the world of a seed lies."""
    return Path(chosen.cache / f"world-{'quick' if chosen.quick else 'full'}-{seed}")


def simulate(chosen: Namespace, seed: int) -> None:
    """Write the world of a seed."""
    write_world(replace(QUICK if chosen.quick else WORLD, seed=seed), world_of_seed(chosen, seed))


def run(job: Job) -> dict[str, Any]:
    """Train and measure; or read what came of it before."""
    if not job.file.exists():
        torch.set_num_threads(1)
        temporary = job.file.with_suffix(".part")
        temporary.write_text(json.dumps(_run(job)))
        temporary.replace(job.file)
    found: dict[str, Any] = json.loads(job.file.read_text())
    return found


def _run(job: Job) -> dict[str, Any]:
    quick, world = job.chosen.quick, world_of_seed(job.chosen, job.world)
    keep = (QUICK if quick else WORLD).hours // 2
    plan = (plans(keep, 256) if quick else plans(keep))[job.name]
    plan = replace(plan, train=replace(plan.train, seed=1000 * job.world + job.seed))
    folder, began = job.file.with_suffix(".run"), time.perf_counter()
    shutil.rmtree(folder, ignore_errors=True)
    fit_stream(world / "log", plan, folder=folder)
    kept, ranker = kept_of(folder), load_ranker(folder)
    gates = [record["gates"] for record in Run.open(folder).history() if record["gates"] is not None]
    curves = places(ranker, kept, world_of(world / "truth"))
    found = {
        "orders": against_truth(kept, world / "truth", plan)["orders"],
        "tasks": {task.name: _worth(kept, task.name, task.kind.name) for task in plan.tasks},
        "curves": {curve["device"]: curve["correlation"] for curve in curves},
        "sources": by_source(kept, world),
        "polarised": sum(bool(own["polarised"]) for own in gates),
        "largest": {task: max(own) for task, own in gates[-1]["weights"].items()} if gates else {},
        "multiplications": ranker.model.cost().multiplications,
        "seconds": time.perf_counter() - began,
    }
    shutil.rmtree(folder)
    return found


def by_source(kept: Sequence[Kept], world: Path) -> dict[str, float]:
    """Return by source how much the logit of its items' click is above the truth, less the mean of all.

    A source whose items stand high or low by more than their merit shows what the place did to the ranker.
    """
    parts = []
    for one in kept:
        source = pl.read_parquet(world / "log" / one.partition, columns=["source"])
        true = pl.read_parquet(world / "truth" / one.partition, columns=["click"])["click"].to_numpy()
        predicted = one.predicted.get("click")
        if predicted is None:
            return {}
        parts.append(source.with_columns(above=logit(predicted) - logit(true)))
    rows = pl.concat(parts)
    means = rows.group_by("source").agg(pl.col("above").mean() - rows["above"].mean())
    return dict(means.sort("source").iter_rows())


def _worth(kept: Sequence[Kept], task: str, kind: str) -> float:
    """Return AUC or R2 over all that was kept."""
    tally = BinaryTally() if kind == "binary" else NumberTally()
    for one in kept:
        seen = ~np.isnan(one.labels[task])
        tally.add(one.predicted[task][seen], one.labels[task][seen])
    return tally.values()["auc" if kind == "binary" else "r2"]


#: Runs by plan's name, one a world.
Runs = Mapping[str, Sequence[Mapping[str, Any]]]


def values(runs: Sequence[Mapping[str, Any]], *keys: str) -> np.ndarray:
    """Return what stands under these keys, a value a run."""
    found = []
    for one in runs:
        value: Any = one
        for key in keys:
            value = value[key]
        found.append(value)
    return np.array(found, dtype=np.float64)


def against(
    mine: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]], *keys: str
) -> dict[str, Any]:
    """Return both means, and mine minus theirs with its interval."""
    a, b = values(mine, *keys), values(theirs, *keys)
    return {"mean": float(a.mean()), "other": float(b.mean()), "difference": common.paired(a - b)}


def position(runs: Runs) -> dict[str, Any]:
    """Return tower minus feature, and minus none, by what is ordered against which truth; and curves."""
    orders = {"click_by_click": ("click", "click"), "score_by_mixture": ("score", "mixture")}
    orders |= {
        "score_by_engagement": ("score", "engagement"),
        "score_by_satisfaction": ("score", "satisfaction"),
    }
    found: dict[str, Any] = {
        other: {
            name: against(runs[BASE], runs[plan], "orders", order, "ndcg", gain)
            for name, (order, gain) in orders.items()
        }
        for other, plan in (("minus_feature", FEATURE), ("minus_none", NONE))
    }
    devices, sources = runs[BASE][0]["curves"], runs[BASE][0]["sources"]
    found["above_truth_by_source"] = {
        plan: {source: common.paired(values(runs[plan], "sources", source)) for source in sources}
        for plan in (BASE, FEATURE, NONE)
    }
    found["curve"] = {
        device: {"least": float(own.min()), **common.paired(own)}
        for device, own in ((device, values(runs[BASE], "curves", device)) for device in devices)
    }
    return found


def experts(runs: Runs) -> dict[str, Any]:
    """Return MMoE minus the shared bottom of its multiplications, by objective and against the truth."""
    found: dict[str, Any] = {}
    for mixture, bottom in MATCHED.items():
        found[mixture] = {task: against(runs[mixture], runs[bottom], "tasks", task) for task in TASKS.names}
        found[mixture] |= {
            f"score_by_{gain}": against(runs[mixture], runs[bottom], "orders", "score", "ndcg", gain)
            for gain in ("engagement", "satisfaction", "mixture")
        }
        cost = (float(values(runs[name], "multiplications").mean()) for name in (mixture, bottom))
        found[mixture]["multiplications"] = list(cost)
    return found


def gates(runs: Runs) -> dict[str, Any]:
    """Return by cure how many runs end polarised or were so at times, the largest weights, and its price."""
    plain = runs["gates none"]
    found = {}
    for cure in CURES:
        own = runs[f"gates {cure}"]
        largest = np.array([list(one["largest"].values()) for one in own])
        found[cure] = {
            "polarised": int((largest > RankPlan().measure.alarm).any(1).sum()),
            "at_times": sum(one["polarised"] > 0 for one in own),
            "runs": len(own),
            "largest": common.spread(largest.max(1).tolist()),
            "minus_none": {task: against(own, plain, "tasks", task)["difference"] for task in TASKS.names},
        }
    return found


def objectives(runs: Runs) -> dict[str, Any]:
    """Return of every order its truths, and its difference from the score that combines all."""
    base, parts = runs[BASE], [("ndcg", g) for g in ("engagement", "satisfaction", "mixture")]
    parts += [("brings", b) for b in ("clicks", "seconds", "rating", "dismissals")]
    orders = {"score": (base, "score"), "as shown": (base, "as shown"), "random": (base, "random")}
    orders |= {f"only {name}": (runs[f"only {name}"], name) for name in ALONE}
    orders |= {f"{name} of all": (base, name) for name in ALONE}
    found: dict[str, Any] = {}
    for label, (own, order) in orders.items():
        found[label] = {}
        for part, name in parts:
            a, b = values(own, "orders", order, part, name), values(base, "orders", "score", part, name)
            found[label][name] = {"mean": float(a.mean()), "minus_score": common.paired(a - b)}
    return found


#: Parts of the measurement, and the plans that each needs.
PARTS = {
    "position": (position, (BASE, FEATURE, NONE)),
    "experts": (experts, (*MATCHED, *MATCHED.values())),
    "gates": (gates, tuple(f"gates {cure}" for cure in CURES)),
    "objectives": (objectives, (BASE, *(f"only {name}" for name in ALONE))),
}


def told(pool: ProcessPoolExecutor, jobs: Sequence[Job]) -> Iterable[tuple[Job, dict[str, Any]]]:
    """Yield the runs of the jobs in their order, and say how far it is."""
    for number, (job, found) in enumerate(zip(jobs, pool.map(run, jobs), strict=True), 1):
        common.say(f"{number}/{len(jobs)} {job.name} in world {job.world}: {found['seconds']:.0f} s")
        yield job, found


def measure(chosen: Namespace, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """Return the figures of all parts."""
    list(pool.map(simulate, [chosen] * chosen.seeds, range(chosen.seeds)))
    common.say(f"{chosen.seeds} worlds are written")
    names = dict.fromkeys(name for part in chosen.parts for name in PARTS[part][1])
    jobs = [
        Job(name, world, seed, chosen)
        for world in range(chosen.seeds)
        for name in names
        for seed in range(chosen.gate_seeds if name.startswith("gates ") else 1)
    ]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for job, found in told(pool, jobs):
        runs[job.name].append(found)
    return {part: PARTS[part][0](runs) for part in chosen.parts}


def main() -> None:
    """Measure and print."""
    parser = common.parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=6, help="worlds")
    parser.add_argument("--gate-seeds", type=int, default=2, help="runs a world of each cure")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, of one thread each")
    parser.add_argument("--cache", type=Path, help="folder of what has run, for a run that was cut to go on")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seeds = min(chosen.seeds, 2)
    began = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as temporary,
        ProcessPoolExecutor(chosen.jobs, get_context("spawn")) as pool,
    ):
        chosen.cache = chosen.cache or Path(temporary)
        chosen.cache.mkdir(parents=True, exist_ok=True)
        figures = measure(chosen, pool)
    common.finish({**figures, "worlds": chosen.seeds, "minutes": (time.perf_counter() - began) / 60})


if __name__ == "__main__":
    main()
