"""The names of the strategies, and which is fastest for a learner by what was measured."""

from __future__ import annotations

import ctypes
import platform
import shutil

from torch import nn

from sharewise.errors import ConfigError, nearest
from sharewise.meta.features import FeatureLearner
from sharewise.meta.gradient import GradientLearner
from sharewise.meta.learner import Learner
from sharewise.meta.nets import OwnNet
from sharewise.meta.strategy.compiled import Compiled, Note, on_gpu
from sharewise.meta.strategy.strategy import Chunks, Strategy, Whole
from sharewise.meta.strategy.workers import Workers

STRATEGIES = ("auto", "whole", "loop", "chunks", "workers", "compiled")
#: Those that run a few episodes of a batch at a time.
IN_PARTS = ("loop", "chunks", "workers")
#: Iterations from which compiling (some 10 to 60 seconds) is worth its time.
WORTH_COMPILING = 5_000


def make_strategy(
    name: str,
    learner: Learner,
    *,
    iterations: int = 0,
    cores: int = 1,
    tasks: int = 1,
    note: Note = lambda text: None,
) -> Strategy:
    """Return the strategy of that name, or with "auto" the fastest that was measured for such a learner.

    Args:
        name: of `STRATEGIES`.
        learner: on its device.
        iterations: that are still to be done; compiling has to pay.
        cores: that may be used.
        tasks: episodes of a batch.
        note: told what a user should know.

    Raises:
        ConfigError: if the name is unknown, or threads would draw drop-out in whatever order they run.
    """
    if name not in STRATEGIES:
        raise ConfigError(f"Strategy '{name}' is unknown.", nearest(name, STRATEGIES))
    chosen = _choose(learner, iterations, cores, tasks) if name == "auto" else name
    if chosen == "compiled":
        return Compiled(learner, note)
    if chosen in IN_PARTS and any(getattr(part, "norm", "") == "running" for part in learner.modules()):
        note("The network's running statistics are of the episodes that run together, so results differ.")
    if chosen == "workers":
        if _drops(learner):
            raise ConfigError(
                "Threads would draw drop-out in any order, so that a run could not be repeated.",
                "Use strategy = 'auto', 'loop' or 'chunks'.",
            )
        return Workers(learner, max(min(cores, tasks), 1))
    if chosen in ("loop", "chunks"):
        return Chunks(learner, 1 if chosen == "loop" else 4)
    return Whole(learner)


def can_compile(learner: Learner) -> bool:
    """True if the meta-gradient can be traced, and there is a compiler."""
    return learner.traceable and (shutil.which("c++") is not None or on_gpu(learner))


def tune_allocator(learner: Learner) -> bool:
    """Keep freed memory instead of giving it back to the system, where that was measured to be faster.

    The GNU allocator maps large blocks anew for every activation of a convolution, and touching fresh pages
    costs more than the arithmetic. Only on Linux with glibc, only for networks of convolutions on a CPU; it
    holds for the whole process.
    """
    if platform.libc_ver()[0] != "glibc" or on_gpu(learner) or not _convolves(learner):
        return False
    libc = ctypes.CDLL(None)
    trim_threshold, mmap_max = -1, -4
    return bool(libc.mallopt(mmap_max, 0) and libc.mallopt(trim_threshold, 1 << 30))


def _choose(learner: Learner, iterations: int, cores: int, tasks: int) -> str:
    if on_gpu(learner):
        return "whole"
    if _convolves(learner):
        if isinstance(learner, FeatureLearner):
            return "whole"
        # A module of one's own may draw on chance unseen: in threads only when that is asked for.
        return "loop" if _own(learner) or cores < 2 or tasks < 2 else "workers"
    if iterations >= WORTH_COMPILING and can_compile(learner):
        return "compiled"
    return "whole"


def _own(learner: Learner) -> bool:
    return any(isinstance(part, OwnNet) for part in learner.modules())


def _drops(learner: Learner) -> bool:
    return any(isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0 for part in learner.modules())


def _convolves(learner: Learner) -> bool:
    net = getattr(learner, "net", None)
    return isinstance(learner, (GradientLearner, FeatureLearner)) and net is not None and not net.stacks
