"""Threads of one core each, for networks whose weights do not stack well."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from sharewise.data.episodes import Episodes
from sharewise.meta.learner import Learner
from sharewise.meta.strategy.strategy import Strategy


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
        parts = [part for part in zip(self.copies, bounds, bounds[1:], strict=False) if part[2] > part[1]]
        jobs = [
            self._pool.submit(self._part, own, episodes.take(slice(start, stop)), count)
            for own, start, stop in parts
        ]
        losses = [job.result() for job in jobs]
        used = [own for own, _, _ in parts]
        for own in used:
            for mine, its in zip(self.learner.parameters(), own.parameters(), strict=True):
                if its.grad is not None:
                    mine.grad = its.grad.clone() if mine.grad is None else mine.grad.add_(its.grad)
        self._gather_buffers(used)
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
