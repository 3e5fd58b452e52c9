"""Speed of a ranker's training on a log: Parquet in, tested on, trained on, checkpoints written.

Claim: at least 100,000 rows a second with five objectives on 2 cores, evaluation included, and memory that
does not grow with the log.

The log is random but of a real one's shape: partitions of 40,000 impressions, users and items that keep
coming, 13 columns of the log itself and 9 features. Rows per second count everything that `fit_stream` does.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import common
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.options import StreamOptions
from sharewise.ranking.plan import RankPlan
from sharewise.train import Progress

SLATE = 20


def partition(number: int, rows: int, users: int, items: int) -> pl.DataFrame:
    """Return the rows of one partition; a hundredth of users and items is new to each."""
    chance = np.random.default_rng(number)
    requests = rows // SLATE
    rows = requests * SLATE
    grown = 1 + number / 100
    request = np.repeat(np.arange(requests), SLATE)
    item = (items * grown * chance.random(rows) ** 2).astype(np.int64)
    quality = np.sin(item * 1.7)
    position = np.tile(np.arange(1, SLATE + 1), requests)
    clicked = chance.random(rows) < 1 / (1 + np.exp(1.5 - quality + 0.15 * position))
    features = {f"x{i}": 0.3 * quality + chance.normal(size=rows) for i in range(5)}
    counts = {f"count{i}": chance.integers(0, 10**5, rows) for i in range(2)}
    frame = pl.DataFrame(
        {
            "time": pl.Series(number * 3_600_000_000 + request * 1_000_000).cast(pl.Datetime("us")),
            "request": request + number * requests,
            "user": (users * grown * chance.random(requests)).astype(np.int64)[request],
            "query": (items * grown * chance.random(requests) ** 2).astype(np.int64)[request],
            "item": item,
            "position": position,
            "device": np.array(["phone", "tv", "web"])[chance.integers(0, 3, requests)][request],
            "source": np.array(["popular", "fresh", "near", "towers"])[chance.integers(0, 4, rows)],
            "clicked": clicked,
            "watched": np.exp(4 + quality + 0.5 * chance.normal(size=rows)),
            "liked": clicked & (chance.random(rows) < 0.1 * (2 + quality)),
            "dismissed": chance.random(rows) < 0.01 * (2 - quality),
            "rating": np.clip(np.round(3 + quality + chance.normal(size=rows)), 1, 5),
            "topic": np.char.add("topic", (item % 50).astype(str)),
            "language": np.char.add("l", (item % 7).astype(str)),
            **features,
            **counts,
        }
    )
    return frame.with_columns(
        watched=pl.when("clicked").then("watched"),
        rating=pl.when(pl.Series(chance.random(rows) < 0.01)).then("rating"),
    )


class Speeds(Progress):
    """Times every partition, from record to record."""

    def __init__(self) -> None:
        self.times = [time.perf_counter()]
        self.memory: list[float] = []

    def evaluated(self, record: object) -> None:
        self.times.append(time.perf_counter())
        self.memory.append(peak_gib())


def peak_gib() -> float:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(log: Path, run: Path, plan: RankPlan, rows: int) -> dict[str, Any]:
    """Train on the log; return the speed in all and by partition, and what was learnt."""
    speeds = Speeds()
    result = fit_stream(log, plan, folder=run, progress=speeds)
    each = (rows / np.diff(speeds.times)).tolist()
    half = speeds.memory[len(speeds.memory) // 2]
    return {
        "rows_per_s": result.rows_per_second,
        "rows": result.rows,
        "by_partition": common.spread(each),
        "peak_gib": speeds.memory[-1],
        "peak_gib_at_half": half,
        "vocabulary": result.history[-1]["vocabulary"],
        "click_auc": result.measures["tasks"]["click"]["auc"],
    }


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--partitions", type=int, default=25)
    parser.add_argument("--rows", type=int, default=40_000, help="of a partition")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=8192)
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.quick:
        chosen.partitions = 5
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        log.mkdir()
        for number in range(chosen.partitions):
            frame = partition(number, chosen.rows, chosen.users, chosen.items)
            frame.write_parquet(log / f"{number:05}.parquet")
        common.say("the log is written")
        plan = RankPlan(train=StreamOptions(batch_size=chosen.batch, device="cpu"))
        found = measure(log, Path(folder) / "run", plan, chosen.rows)
    common.finish({"train": found})


if __name__ == "__main__":
    main()
