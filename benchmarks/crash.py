"""Kills, damage and full disks: does a run survive them bit for bit?

    python benchmarks/crash.py --kills 1000 --damages 1000 --json

A tiny training, with drop-out, momentum and a balancer that remembers (with --meta a meta-training, with
--ranking the stream of a log's 48 partitions), runs in forked children:

* killed (SIGKILL) at random moments, and before, inside and after every write, sync and rename; then resumed,
  killed again, and at last left to finish: it must read what it finds and end as the undisturbed run does;
* files of the finished run get flipped bits, cut ends and zeroed pages: all must be refused, and the
  checkpoint before the damaged one used;
* the disk fills at every write: one clear error, nothing half written, and the run goes on once there is
  space.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import faults
import meta_victim
import rank_victim
import torch
import victim
from faults import FINISHED, REFUSED

from sharewise.errors import CheckpointError
from sharewise.train import Run
from sharewise.train.checkpoint import Checkpoints


@dataclass
class Figures:
    """What the benchmark found."""

    kills: int = 0
    runs: int = 0
    unreadable: int = 0
    different: int = 0
    kills_per_second: float = 0.0
    points: int = 0
    damages: int = 0
    damages_accepted: int = 0
    fallbacks_missed: int = 0
    full_disks: int = 0
    full_disks_unclear: int = 0
    full_disks_lost: int = 0


class Crash:
    """All experiments, on one tiny training.

    Args:
        scratch: a folder for its runs.
        seed: of the moments and the damage.
        training: what is disturbed: a module with `make_data`, `warm`, `train`, `identity`, `outcome`.
    """

    def __init__(self, scratch: Path, seed: int = 0, training: ModuleType = victim) -> None:
        self._victim = training
        self.figures = Figures()
        self._scratch = scratch
        self._random = random.Random(seed)
        self._data = self._victim.make_data()
        training.warm(self._data, scratch)
        self._undisturbed = scratch / "undisturbed"
        self._measure()
        self._expected = self._victim.outcome(self._undisturbed)

    def kill(self, kills: int) -> None:
        """Kill until there were so many, spread over runs that each finish in the end."""
        began = time.perf_counter()
        while self.figures.kills < kills:
            folder = self._scratch / "killed"
            for _ in range(self._random.randint(1, 5)):
                self._kill_once(folder)
            self._finish(folder)
        self.figures.kills_per_second = self.figures.kills / (time.perf_counter() - began)

    def damage(self, damages: int) -> None:
        """Damage a finished run, and its newest checkpoint, so many times each."""
        for number in range(damages):
            self.figures.damages += 2
            self.figures.damages_accepted += not self._refused(number)
            self.figures.fallbacks_missed += not self._fell_back(number)

    def fill(self, most: int) -> None:
        """Let the disk be full at each write, or at so many of them, and have the system limit files."""
        writes = self._count(("write",))
        moments = range(0, writes, -(-writes // most))
        for setup in [
            *(faults.full_at(at) for at in moments),
            *(faults.small_files(size) for size in (1, 200, 2000)),
        ]:
            folder = self._scratch / "full"
            self.figures.full_disks += 1
            self.figures.full_disks_unclear += faults.wait(self._child(folder, setup)) != REFUSED
            self.figures.full_disks_lost += any(folder.rglob(".*.tmp"))
            self._finish(folder, lost="full_disks_lost")

    def _measure(self) -> None:
        began = time.perf_counter()
        if faults.wait(self._child(self._undisturbed)) != FINISHED:
            raise SystemExit("The undisturbed run failed.")
        self._seconds = time.perf_counter() - began
        self.figures.points = self._count(faults.CALLS)

    def _count(self, calls: tuple[str, ...]) -> int:
        """Return how often an undisturbed run makes these calls."""
        read, write = os.pipe()
        folder, real, numbers = self._scratch / "counted", os.write, [0]

        def work() -> None:
            self._victim.train(self._data, folder)
            real(write, str(numbers[0]).encode())

        def before(number: int, name: str, arguments: tuple[Any, ...]) -> None:
            numbers[0] = number + 1

        faults.wait(faults.child(work, lambda: faults.hook(calls, before, lambda number: None)))
        os.close(write)
        with os.fdopen(read) as pipe:
            count = int(pipe.read())
        shutil.rmtree(folder)
        return count

    def _child(self, folder: Path, setup: Callable[[], None] = lambda: None) -> int:
        return faults.child(lambda: self._victim.train(self._data, folder), setup)

    def _kill_once(self, folder: Path) -> None:
        if self._random.random() < 0.5:
            at = self._random.randrange(self.figures.points)
            code = faults.wait(self._child(folder, faults.die_at(at, self._random.choice(faults.PHASES))))
        else:
            pid = self._child(folder)
            time.sleep(self._random.random() * self._seconds)
            os.kill(pid, signal.SIGKILL)
            code = faults.wait(pid)
        self.figures.kills += code == -signal.SIGKILL
        self.figures.unreadable += code in (REFUSED, faults.BROKEN)

    def _finish(self, folder: Path, lost: str = "different") -> None:
        """Let a run finish; it must be the undisturbed one."""
        self.figures.runs += 1
        if faults.wait(self._child(folder)) != FINISHED:
            self.figures.unreadable += 1
        elif self._victim.outcome(folder) != self._expected:
            setattr(self.figures, lost, getattr(self.figures, lost) + 1)
        shutil.rmtree(folder, ignore_errors=True)

    def _refused(self, number: int) -> bool:
        folder = self._copy()
        self._damage_one(
            [path for path in folder.iterdir() if path.is_file() and path.stat().st_size],
            faults.DAMAGES[number % 3],
        )
        try:
            Run.open(folder)
        except CheckpointError:
            return True
        return False

    def _fell_back(self, number: int) -> bool:
        folder = self._copy() / "checkpoint"
        *_, before, newest = sorted(folder.glob("step-*"))
        self._damage_one(list(newest.iterdir()), faults.DAMAGES[number % 3])
        saved = Checkpoints(folder, self._victim.identity(self._data)).newest()
        return saved is not None and saved.values == (before / "state.json").read_bytes()

    def _copy(self) -> Path:
        folder = self._scratch / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._undisturbed, folder)
        return folder

    def _damage_one(self, paths: list[Path], damage: str) -> None:
        path = self._random.choice(sorted(paths))
        content = path.read_bytes()
        changed = content
        while changed == content:
            changed = faults.damaged(content, damage, self._random)
        path.write_bytes(changed)


def measure(kills: int, damages: int, disks: int, seed: int = 0, training: ModuleType = victim) -> Figures:
    """Run all experiments in a temporary folder."""
    torch.set_num_threads(1)  # a forked child has no threads but its own
    with tempfile.TemporaryDirectory() as scratch:
        crash = Crash(Path(scratch), seed, training)
        crash.kill(kills)
        crash.damage(damages)
        crash.fill(disks)
        return crash.figures


def main() -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # autograd's threads for a GPU do not survive a fork
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument(
        "--damages", type=int, default=1000, help="to the run, and as many to its newest checkpoint"
    )
    parser.add_argument("--disks", type=int, default=60, help="at most, that are full at a write of a run")
    parser.add_argument("--seed", type=int, default=0)
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--meta", action="store_true", help="disturb a meta-training instead")
    other.add_argument("--ranking", action="store_true", help="disturb a ranker's stream instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    arguments = parser.parse_args()
    training = meta_victim if arguments.meta else rank_victim if arguments.ranking else victim
    figures = asdict(measure(arguments.kills, arguments.damages, arguments.disks, arguments.seed, training))
    for name, value in figures.items():
        print(f"{name:20} {value:,.4g}", file=sys.stderr if arguments.json else sys.stdout)
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
