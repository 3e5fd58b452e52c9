"""How the meta-gradient of a batch of episodes is computed: whole, in chunks, by threads, or compiled.

All give the same gradient, up to rounding. What is fastest depends on the network: products of small matrices
stack well and are bound by overhead, which compiling takes away; convolutions with stacked weights run as
grouped convolutions, which are slow on a CPU, and there a task at a time on every core is fastest.
"""

from __future__ import annotations

import copy
import ctypes
import platform
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import FunctionType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call, grad_and_value

from sharewise.data.episodes import Episodes
from sharewise.errors import ConfigError, nearest
from sharewise.meta.features import FeatureLearner
from sharewise.meta.gradient import GradientLearner
from sharewise.meta.learner import Learner

STRATEGIES = ("auto", "whole", "loop", "chunks", "workers", "compiled")
#: Iterations from which compiling (some 10 to 60 seconds) is worth its time.
WORTH_COMPILING = 5_000
#: Kinds of batches that are compiled for.
MOST_COMPILED = 4
Note = Callable[[str], None]


class Strategy(ABC):
    """Computes meta-gradients of one learner."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner

    @abstractmethod
    def backward(self, episodes: Episodes) -> Float[Tensor, " tasks"]:
        """Add the gradient of the mean surrogate to the parameters' `grad`, and return the tasks' losses."""

    def close(self) -> None:  # noqa: B027, most take nothing
        """Give back what was taken, such as threads."""


class Whole(Strategy):
    """All episodes at once: stacked weights, batched products."""

    def backward(self, episodes: Episodes) -> Tensor:
        judged = self.learner.judge(episodes)
        judged.surrogate.mean().backward()  # type: ignore[no-untyped-call]
        return judged.losses.detach()


class Chunks(Strategy):
    """A few episodes at a time, whose graphs are freed before the next: less memory, better in the cache."""

    def __init__(self, learner: Learner, size: int) -> None:
        super().__init__(learner)
        self.size = size

    def backward(self, episodes: Episodes) -> Tensor:
        count = len(episodes)
        found = []
        for start in range(0, count, self.size):
            judged = self.learner.judge(episodes.take(slice(start, start + self.size)))
            (judged.surrogate.sum() / count).backward()  # type: ignore[no-untyped-call]
            found.append(judged.losses.detach())
        return torch.cat(found)


class Workers(Strategy):
    """Threads of one core each, every one with a copy of the learner and a fixed share of the episodes, of
    which it takes a few at a time.

    Copies are needed because running a module with other weights swaps its parameters for the time being.
    Gradients are added in the workers' order, so that results do not depend on which is first.
    """

    def __init__(self, learner: Learner, workers: int, size: int = 4) -> None:
        super().__init__(learner)
        self.copies = [copy.deepcopy(learner) for _ in range(workers)]
        self.size = size
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))

    def backward(self, episodes: Episodes) -> Tensor:
        count, workers = len(episodes), len(self.copies)
        bounds = [count * i // workers for i in range(workers + 1)]
        jobs = [
            self._pool.submit(self._part, own, episodes.take(slice(start, stop)), count)
            for own, start, stop in zip(self.copies, bounds, bounds[1:], strict=False)
            if stop > start
        ]
        losses = [job.result() for job in jobs]
        for own in self.copies[: len(jobs)]:
            for mine, its in zip(self.learner.parameters(), own.parameters(), strict=True):
                if its.grad is not None:
                    mine.grad = its.grad.clone() if mine.grad is None else mine.grad.add_(its.grad)
        self._gather_buffers(self.copies[: len(jobs)])
        return torch.cat(losses)

    def _gather_buffers(self, copies: list[Learner]) -> None:
        """Take the mean of what the workers' copies have seen, such as running statistics."""
        for mine, *theirs in zip(self.learner.buffers(), *(own.buffers() for own in copies), strict=True):
            if mine.is_floating_point():
                mine.copy_(torch.stack(theirs).mean(0))

    def _part(self, own: Learner, episodes: Episodes, count: int) -> Tensor:
        with torch.no_grad():
            pairs = (
                (self.learner.parameters(), own.parameters()),
                (self.learner.buffers(), own.buffers()),
            )
            for theirs, mine in pairs:
                for source, target in zip(theirs, mine, strict=True):
                    target.copy_(source)
        own.zero_grad()
        own.train(self.learner.training)
        found = []
        for start in range(0, len(episodes), self.size):
            judged = own.judge(episodes.take(slice(start, start + self.size)))
            (judged.surrogate.sum() / count).backward()  # type: ignore[no-untyped-call]
            found.append(judged.losses.detach())
        return torch.cat(found)

    def close(self) -> None:
        self._pool.shutdown()


class Compiled(Strategy):
    """The whole meta-gradient as one compiled function: inner and outer derivative are traced together.

    There is a function for each kind of batch (shapes, masks, ways), up to `MOST_COMPILED`; batches of yet
    other kinds are computed without.
    """

    def __init__(
        self, learner: Learner, note: Note = lambda text: None, backend: str | Callable[..., Any] = "inductor"
    ) -> None:
        super().__init__(learner)
        self._note, self._backend = note, backend
        self._ordinary, self._judge = Whole(learner), _Judge(learner)
        self._parameters = dict(learner.named_parameters())
        self._buffers = dict(learner.named_buffers())
        self._compiled: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._most = MOST_COMPILED

    def backward(self, episodes: Episodes) -> Tensor:
        kind = _kind(episodes)
        if kind not in self._compiled and len(self._compiled) >= self._most:
            return self._ordinary.backward(episodes)
        try:
            gradient, (_, losses) = self._function(kind)(
                {name: value.detach() for name, value in self._parameters.items()}, self._buffers, episodes
            )
        except Exception as error:  # the compiler's errors are of many types; without it all is as right
            self._compiled, self._most = {}, 0
            self._note(f"Compiling did not work ({type(error).__name__}); going on without it.")
            return self._ordinary.backward(episodes)
        self._add(gradient)
        return losses  # type: ignore[no-any-return]

    def _function(self, kind: tuple[Any, ...]) -> Callable[..., Any]:
        if kind not in self._compiled:
            self._note("Compiling the meta-gradient; this takes 10 to 60 seconds.")
            # The compiler keeps what it made by code object. It is told not to look whether anything but the
            # tensors has changed (the learner does not while it trains, and looking costs a fifth of a step):
            # so other learners and other kinds of batch need code of their own.
            code = _gradient.__code__.replace()
            own = FunctionType(code, _gradient.__globals__, "meta_gradient")
            options: dict[str, Any] = {"guard_filter_fn": torch.compiler.keep_tensor_guards_unsafe}
            if self._backend == "inductor":
                options["cpp_wrapper"] = not _gpu(self.learner)
            compiled = torch.compile(
                own, dynamic=False, fullgraph=True, backend=self._backend, options=options
            )
            self._compiled[kind] = partial(compiled, self._judge)
        return self._compiled[kind]

    def _add(self, gradient: dict[str, Tensor]) -> None:
        have = [value.grad for value in self._parameters.values() if value.grad is not None]
        if len(have) == len(self._parameters):
            torch._foreach_add_(have, [gradient[name] for name in self._parameters])
            return
        for name, value in self._parameters.items():
            value.grad = gradient[name] if value.grad is None else value.grad + gradient[name]


def _gradient(
    judge: torch.nn.Module, parameters: dict[str, Tensor], buffers: dict[str, Tensor], episodes: Episodes
) -> Any:
    def total(point: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        judged = functional_call(judge, _under("learner", point, buffers), (episodes,))
        return judged.surrogate.mean(), judged.losses.detach()

    return grad_and_value(total, has_aux=True)(parameters)


def _kind(episodes: Episodes) -> tuple[Any, ...]:
    """Return what a compiled function is made for."""
    parts = [
        *[(key, value.shape, value.dtype) for key, value in sorted(episodes.support.inputs.items())],
        *[(key, value.shape, value.dtype) for key, value in sorted(episodes.query.inputs.items())],
    ]
    masks = episodes.support.mask is None, episodes.query.mask is None
    return (*parts, *masks, episodes.ways, episodes.classes is None)


class _Judge(torch.nn.Module):
    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, episodes: Episodes) -> Any:
        return self.learner.judge(episodes)


def _under(prefix: str, *parts: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for part in parts for name, value in part.items()}


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
        ConfigError: if the name is unknown.
    """
    if name not in STRATEGIES:
        raise ConfigError(f"Strategy '{name}' is unknown.", nearest(name, STRATEGIES))
    chosen = _choose(learner, iterations, cores, tasks) if name == "auto" else name
    if chosen == "compiled":
        return Compiled(learner, note)
    if chosen == "workers":
        return Workers(learner, max(min(cores, tasks), 1))
    if chosen in ("loop", "chunks"):
        return Chunks(learner, 1 if chosen == "loop" else 4)
    return Whole(learner)


def can_compile(learner: Learner) -> bool:
    """True if the meta-gradient can be traced, and there is a compiler."""
    return (learner.traceable and shutil.which("c++") is not None) or _gpu(learner)


def tune_allocator(learner: Learner) -> bool:
    """Keep freed memory instead of giving it back to the system, where that was measured to be faster.

    The GNU allocator maps large blocks anew for every activation of a convolution, and touching fresh pages
    costs more than the arithmetic. Only on Linux with glibc, only for networks of convolutions on a CPU; it
    holds for the whole process.
    """
    if platform.libc_ver()[0] != "glibc" or _gpu(learner) or not _convolves(learner):
        return False
    libc = ctypes.CDLL(None)
    trim_threshold, mmap_max = -1, -4
    return bool(libc.mallopt(mmap_max, 0) and libc.mallopt(trim_threshold, 1 << 30))


def _choose(learner: Learner, iterations: int, cores: int, tasks: int) -> str:
    if _gpu(learner):
        return "whole"
    if _convolves(learner):
        if isinstance(learner, FeatureLearner):
            return "whole"
        return "workers" if cores > 1 and tasks > 1 else "loop"
    if iterations >= WORTH_COMPILING and can_compile(learner):
        return "compiled"
    return "whole"


def _convolves(learner: Learner) -> bool:
    net = getattr(learner, "net", None)
    return isinstance(learner, (GradientLearner, FeatureLearner)) and net is not None and not net.stacks


def _gpu(learner: Learner) -> bool:
    return any(p.device.type == "cuda" for p in learner.parameters())
