"""Kills, damage and full disks: does a run survive them bit for bit?

    python benchmarks/crash.py --kills 1000 --damages 1000 --json

A tiny training, with drop-out, momentum and a balancer that remembers, runs in forked children:

* killed (SIGKILL) at random moments, and before, inside and after every write, sync and rename; then resumed,
  killed again, and at last left to finish: it must read what it finds and end as the undisturbed run does;
* files of the finished run get flipped bits, cut ends and zeroed pages: all must be refused, and the
  checkpoint before the damaged one used;
* the disk fills at every write: one clear error, nothing half written, and the run goes on once there is
  space.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sharewise import files
from sharewise.balance import Weighting
from sharewise.data.batches import Batch
from sharewise.errors import CheckpointError, SharewiseError
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.tasks import InputSpec, Task, TaskSet
from sharewise.train import Run, TrainOptions, fit
from sharewise.train.checkpoint import Checkpoints
from sharewise.train.fit import fingerprint

CALLS = ("write", "fsync", "replace")
PHASES = ("before", "inside", "after")
DAMAGES = ("flip", "cut", "zero")
OPTIONS = TrainOptions(
    epochs=3, batch_size=32, evals_per_epoch=2, checkpoint_every=1, precision="fp32", device="cpu"
)
FINISHED, REFUSED, BROKEN = 0, 2, 3  # a child's exit codes


class Remembering(Weighting):
    """Weights by how a loss moved against its running mean: a balancer with a memory to resume."""

    def __init__(self) -> None:
        self.mean = torch.zeros(0)

    def __call__(self, losses: Tensor) -> Tensor:
        mean = self.mean if len(self.mean) else losses.clone()
        self.mean = 0.9 * mean + 0.1 * losses
        return torch.softmax(losses / self.mean, dim=0) * len(losses)

    def state_dict(self) -> dict[str, Tensor]:
        return {"mean": self.mean}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.mean = state["mean"]


@dataclass(frozen=True)
class Data:
    """A table of random rows."""

    tasks: TaskSet
    train: Batch
    valid: Batch

    def digest(self) -> str:
        return "random rows"


def make_data(rows: int = 128) -> Data:
    """Return rows with one binary and one regression task, every fifth label missing."""
    chance = torch.Generator().manual_seed(0)

    def split(size: int) -> Batch:
        x = torch.randn(size, 4, generator=chance)
        targets = torch.stack([(x[:, 0] + x[:, 1] > 0).float(), x[:, 1] - x[:, 2]], dim=1)
        mask = torch.rand(size, 2, generator=chance) > 0.2
        return Batch({"numeric": x}, targets * mask, mask)

    tasks = TaskSet([Task("sign", "binary"), Task("difference", "regression")])
    return Data(tasks, split(rows), split(rows // 2))


def make_model(data: Data) -> MultiTaskModel:
    """Return the tiny model, always with the same first weights."""
    inputs = InputSpec(bins=((-1.0, 0.0, 1.0),) * 4)
    options = ModelOptions(sharing="mmoe", hidden=(8,), experts=2, dropout=0.2)
    return MultiTaskModel(data.tasks, inputs, options, seed=0)


def train(data: Data, folder: Path) -> None:
    """Run the training, or go on with it."""
    fit(make_model(data), data, OPTIONS, weighting=Remembering(), folder=folder)


def outcome(folder: Path) -> dict[str, str]:
    """Return hashes of all that must not differ: weights, log, optimizer, balancer, cursor."""
    last = sorted((folder / "checkpoint").glob("step-*"))[-1]
    found = {"digest": Run.open(folder).digest, "last": last.name}
    return {**found, **{name: files.sha256_file(last / name) for name in ("state.safetensors", "state.json")}}


def hook(
    calls: tuple[str, ...], before: Callable[[int, str, tuple[Any, ...]], None], after: Callable[[int], None]
) -> None:
    """Have `before(number, name, arguments)` and `after(number)` called around these calls of the system."""
    count = iter(range(1 << 30))

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any) -> Any:
            number = next(count)
            before(number, name, arguments)
            result = real(*arguments)
            after(number)
            return result

        setattr(os, name, call)

    for name in calls:
        wrap(name)


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(at: int, phase: str) -> Callable[[], None]:
    """Return a set-up that kills the process at call number `at`: before, half way through, or after it."""
    write = os.write

    def before(number: int, name: str, arguments: tuple[Any, ...]) -> None:
        if number == at and phase == "before":
            die()
        if number == at and phase == "inside":
            if name == "write":
                write(arguments[0], arguments[1][: len(arguments[1]) // 2])
            die()

    def after(number: int) -> None:
        if number == at:
            die()

    return lambda: hook(CALLS, before, after)


def full_at(at: int) -> Callable[[], None]:
    """Return a set-up in which the disk is full from the write with this number on."""
    write = os.write

    def before(number: int, name: str, arguments: tuple[Any, ...]) -> None:
        if number == at:
            write(arguments[0], arguments[1][: len(arguments[1]) // 2])
        if number >= at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda: hook(("write",), before, lambda number: None)


def small_files(limit: int) -> Callable[[], None]:
    """Return a set-up in which the system itself refuses files larger than `limit` bytes."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return limited


def child(work: Callable[[], None], setup: Callable[[], None] = lambda: None) -> int:
    """Fork, set up, work; return the process id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = BROKEN
    try:
        setup()
        work()
        code = FINISHED
    except SharewiseError as error:
        code = REFUSED if _clear(error) else BROKEN
        if code == BROKEN:
            print(f"not clear: {error}", file=sys.stderr)
    except Exception as error:  # whatever it is, the parent counts it
        print(f"broken: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        os._exit(code)


def _clear(error: SharewiseError) -> bool:
    return "space" in str(error) or "too large" in str(error)


def wait(pid: int) -> int:
    """Return a child's exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


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
    """

    def __init__(self, scratch: Path, seed: int = 0) -> None:
        self.figures = Figures()
        self._scratch = scratch
        self._random = random.Random(seed)
        self._data = make_data()
        train(self._data, scratch / "warm")  # so that no child must load what the first step loads
        self._undisturbed = scratch / "undisturbed"
        self._measure()
        self._expected = outcome(self._undisturbed)

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

    def fill(self, every: int = 1) -> None:
        """Let the disk be full at every write in turn (or every n-th), and have the system limit files."""
        writes = range(0, self._count(("write",)), every)
        for setup in [*(full_at(at) for at in writes), *(small_files(size) for size in (1, 200, 2000))]:
            folder = self._scratch / "full"
            self.figures.full_disks += 1
            self.figures.full_disks_unclear += wait(self._child(folder, setup)) != REFUSED
            self.figures.full_disks_lost += any(folder.rglob(".*.tmp"))
            self._finish(folder, lost="full_disks_lost")

    def _measure(self) -> None:
        began = time.perf_counter()
        if wait(self._child(self._undisturbed)) != FINISHED:
            raise SystemExit("The undisturbed run failed.")
        self._seconds = time.perf_counter() - began
        self.figures.points = self._count(CALLS)

    def _count(self, calls: tuple[str, ...]) -> int:
        """Return how often an undisturbed run makes these calls."""
        read, write = os.pipe()
        folder, real, numbers = self._scratch / "counted", os.write, [0]

        def work() -> None:
            train(self._data, folder)
            real(write, str(numbers[0]).encode())

        def before(number: int, name: str, arguments: tuple[Any, ...]) -> None:
            numbers[0] = number + 1

        wait(child(work, lambda: hook(calls, before, lambda number: None)))
        os.close(write)
        with os.fdopen(read) as pipe:
            count = int(pipe.read())
        shutil.rmtree(folder)
        return count

    def _child(self, folder: Path, setup: Callable[[], None] = lambda: None) -> int:
        return child(lambda: train(self._data, folder), setup)

    def _kill_once(self, folder: Path) -> None:
        if self._random.random() < 0.5:
            at = self._random.randrange(self.figures.points)
            code = wait(self._child(folder, die_at(at, self._random.choice(PHASES))))
        else:
            pid = self._child(folder)
            time.sleep(self._random.random() * self._seconds)
            os.kill(pid, signal.SIGKILL)
            code = wait(pid)
        self.figures.kills += code == -signal.SIGKILL
        self.figures.unreadable += code in (REFUSED, BROKEN)

    def _finish(self, folder: Path, lost: str = "different") -> None:
        """Let a run finish; it must be the undisturbed one."""
        self.figures.runs += 1
        if wait(self._child(folder)) != FINISHED:
            self.figures.unreadable += 1
        elif outcome(folder) != self._expected:
            setattr(self.figures, lost, getattr(self.figures, lost) + 1)
        shutil.rmtree(folder, ignore_errors=True)

    def _refused(self, number: int) -> bool:
        folder = self._copy()
        self._damage_one([path for path in folder.iterdir() if path.is_file()], DAMAGES[number % 3])
        try:
            Run.open(folder)
        except CheckpointError:
            return True
        return False

    def _fell_back(self, number: int) -> bool:
        folder = self._copy() / "checkpoint"
        *_, before, newest = sorted(folder.glob("step-*"))
        self._damage_one(list(newest.iterdir()), DAMAGES[number % 3])
        identity = fingerprint(make_model(self._data), self._data, OPTIONS, Remembering())
        saved = Checkpoints(folder, identity).newest()
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
            changed = damaged(content, damage, self._random)
        path.write_bytes(changed)


def damaged(content: bytes, damage: str, chance: random.Random) -> bytes:
    """Return `content` with one bit flipped, its end cut off, or a page of zeros."""
    at = chance.randrange(len(content))
    if damage == "cut":
        return content[:at]
    if damage == "zero":
        page = at // 4096 * 4096
        hole = content[page : page + 4096]
        return content[:page] + bytes(len(hole)) + content[page + len(hole) :]
    flipped = content[at] ^ (1 << chance.randrange(8))
    return content[:at] + bytes([flipped]) + content[at + 1 :]


def measure(kills: int, damages: int, seed: int = 0) -> Figures:
    """Run all experiments in a temporary folder."""
    torch.set_num_threads(1)  # a forked child has no threads but its own
    with tempfile.TemporaryDirectory() as scratch:
        crash = Crash(Path(scratch), seed)
        crash.kill(kills)
        crash.damage(damages)
        crash.fill()
        return crash.figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument(
        "--damages", type=int, default=1000, help="to the run, and as many to its newest checkpoint"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    arguments = parser.parse_args()
    figures = asdict(measure(arguments.kills, arguments.damages, arguments.seed))
    for name, value in figures.items():
        print(f"{name:20} {value:,.4g}", file=sys.stderr if arguments.json else sys.stdout)
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
