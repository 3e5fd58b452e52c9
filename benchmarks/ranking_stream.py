"""Speed of the ranking system's stream: how fast the simulated platform writes its log.

Claim: at least 300,000 impressions a second on 2 cores, the log and the truth written as Parquet included,
and memory that does not grow with the hours.

Part `simulate`: a world of 100,000 users and 20,000 videos with about 400,000 impressions an hour goes to a
folder, once untimed and then as often as `--repeats` says.

Figures: `simulate.impressions_per_s` (median), and under `detail` the spread, the size of the files and the
peak memory of the process after the first day and after all.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import common
from sharewise.ranking.world import Hour, WorldOptions, write_world

WORLD = WorldOptions(users=100_000, videos=20_000, hours=48, requests_per_hour=40_000)
QUICK = replace(WORLD, hours=3, requests_per_hour=10_000)


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


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {"simulate": simulate}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.quick:
        chosen.repeats = 1
    common.finish({name: PARTS[name](chosen) for name in chosen.parts})


if __name__ == "__main__":
    main()
