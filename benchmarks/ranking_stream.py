"""Speed of the ranking system's stream: the simulated platform writes its log, a ranker trains on it.

Claim: at least 300,000 impressions a second are simulated, the log and the truth written as Parquet included;
at least 100,000 rows a second are read, tested on and trained on with five objectives, checkpoints included;
both on 2 cores, in at most 3 GiB at 20 million rows.

Part `simulate`: a world of 100,000 users and 20,000 videos with about 400,000 impressions an hour goes to a
folder. Part `train`: the usual ranker, in batches of `--batch` rows, learns from the first hours of that
world, in a run's folder. Both once untimed, then as often as `--repeats` says. Part `memory`: the same
ranker, in a process of its own, learns from 20 million rows. Part `processes`: as `train`, by torchrun with
two processes of one thread beside one process of one thread, turn by turn.

Figures: `simulate.impressions_per_s`, `train.rows_per_s` (medians), `memory.peak_gib` of all that the process
held, `processes.ratio` (rows a second in two processes over those in one), and under `detail` what belongs to
them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import common
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.options import StreamOptions
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.world import Hour, WorldOptions, write_world
from sharewise.train import Progress

WORLD = WorldOptions(users=100_000, videos=20_000, hours=48, requests_per_hour=40_000)
QUICK = replace(WORLD, hours=3, requests_per_hour=10_000)
#: Hours of the world that are trained on for speed.
HOURS = 6


class Peaks(Progress):
    """Notes the most memory that the process has had, and the time, after every partition."""

    def __init__(self) -> None:
        self.gib: list[float] = []
        self.times = [time.perf_counter()]

    def evaluated(self, record: object) -> None:
        self.gib.append(peak())
        self.times.append(time.perf_counter())


def peak() -> float:
    """Return the most memory that the process has had, in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def simulate(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return how fast a world is simulated and written."""
    options = QUICK if arguments.quick else WORLD
    rates, peaks = [], []

    def heard(hour: Hour) -> None:
        peaks.append(peak())

    for turn in range(arguments.repeats + 1):  # the first is untimed
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            tally = write_world(options, Path(folder) / "world", heard)
            rates.append(tally.impressions / (time.perf_counter() - began))
            size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
        common.say(f"simulate {turn}: {rates[-1]:,.0f} impressions/s")
    found = common.spread(rates[1:])
    return {
        "impressions_per_s": found["median"],
        "detail": {
            "impressions_per_s": found,
            "impressions": tally.impressions,
            "hours": options.hours,
            "bytes_per_impression": size / tally.impressions,
            "peak_gib_first_day": peaks[min(24, len(peaks)) - 1],
            "peak_gib": peaks[-1],
        },
    }


def train(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return how fast a ranker learns."""
    with tempfile.TemporaryDirectory() as folder:
        log, rates = written(arguments, HOURS, Path(folder)), []
        for turn in range(arguments.repeats + 1):
            found = learn(log, Path(folder) / f"run{turn}", arguments.batch)
            rates.append(found.pop("rows_per_s"))
            common.say(f"train {turn}: {rates[-1]:,.0f} rows/s")
    spread = common.spread(rates[1:])
    return {"rows_per_s": spread["median"], "detail": {**found, "rows_per_s": spread}}


def memory(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return how much memory a ranker takes that learns from many rows."""
    with tempfile.TemporaryDirectory() as folder:
        log = written(arguments, WORLD.hours, Path(folder))
        found = apart([sys.executable], log, Path(folder) / "run", arguments, torch.get_num_threads())
    return {"peak_gib": found["peak_gib"], "detail": found}


def processes(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return how much faster two processes of one thread are than one."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    rates: dict[str, list[float]] = {"one": [], "two": [], "two_spread": []}
    with tempfile.TemporaryDirectory() as folder:
        log = written(arguments, HOURS, Path(folder))
        for turn in range(arguments.repeats):
            for name, command in (("one", [sys.executable]), ("two", torchrun), ("two_spread", torchrun)):
                run = Path(folder) / f"{name}{turn}"
                found = apart(command, log, run, arguments, 1, spread=name == "two_spread")
                rates[name].append(found["rows_per_s"])
                common.say(f"{name} {turn}: {rates[name][-1]:,.0f} rows/s")
    spreads = {name: common.spread(own) for name, own in rates.items()}
    ratios = [two / one for one, two in zip(rates["one"], rates["two"], strict=True)]
    return {"ratio": common.spread(ratios)["median"], "detail": spreads}


def written(arguments: argparse.Namespace, hours: int, folder: Path) -> Path:
    """Write the log of a world's first hours; return its folder."""
    options = QUICK if arguments.quick else replace(WORLD, hours=hours)
    tally = write_world(options, folder / "world")
    common.say(f"a log of {tally.impressions:,} rows is written")
    return folder / "world" / "log"


def apart(
    command: list[str],
    log: Path,
    run: Path,
    arguments: argparse.Namespace,
    threads: int,
    spread: bool = False,
) -> dict[str, Any]:
    """Return what `learn` finds in processes of their own."""
    own = ["--learn", str(log), str(run), "--batch", str(arguments.batch), "--threads", str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [*command, __file__, *own, *["--spread"] * spread],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def learn(log: Path, run: Path, batch: int, spread: bool = False) -> dict[str, Any]:
    """Train on the log; return the speed in all and by partition, what it took and what was learnt."""
    peaks = Peaks()
    plan = RankPlan(train=StreamOptions(batch_size=batch, device="cpu", spread=spread))
    result = fit_stream(log, plan, folder=run, progress=peaks)
    rows = [record["rows"] for record in result.history]
    each = [n / (b - a) for n, a, b in zip(rows, peaks.times, peaks.times[1:], strict=False)]
    return {
        "rows_per_s": result.rows_per_second,
        "by_partition": common.spread(each) if each else None,
        "rows": result.rows,
        "batch": batch,
        "peak_gib": peak(),
        "peak_gib_at_half": peaks.gib[len(peaks.gib) // 2] if peaks.gib else None,
        "vocabulary": result.history[-1]["vocabulary"],
        "click_auc": result.measures["tasks"]["click"]["auc"],
    }


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "simulate": simulate,
    "train": train,
    "memory": memory,
    "processes": processes,
}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8192, help="rows of a step")
    parser.add_argument("--learn", nargs=2, metavar=("LOG", "RUN"), help="only train, in this process")
    parser.add_argument("--spread", action="store_true", help="with --learn: spread embeddings")
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.learn:
        found = learn(Path(chosen.learn[0]), Path(chosen.learn[1]), chosen.batch, chosen.spread)
        if os.environ.get("RANK", "0") == "0":
            print(json.dumps(found))
        return
    if chosen.quick:
        chosen.repeats = 1
    common.finish({name: PARTS[name](chosen) for name in chosen.parts})


if __name__ == "__main__":
    main()
