"""BatchSource: which rows make each batch of an epoch, as a function of the seed and the epoch alone.

Nothing is kept between batches, so a run that stopped goes on from (epoch, batch) and draws the same rows.
The lecture's basic version is *tasks first, then rows*: every task is drawn alike, whatever its data.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sharewise.data.batches import Batch
from sharewise.errors import ConfigError, nearest
from sharewise.streams import stream

SCHEMES = ("shuffle", "uniform", "proportional", "temperature", "round_robin")
#: Tasks drawn for a batch where nothing else is said.
TASKS_PER_BATCH = 8


class BatchSource:
    """Batches of rows of a split.

    Args:
        data: the training split.
        batch_size: rows a batch.
        seed: of the run.
        scheme: "shuffle": every row once an epoch, in random order. For disjoint data also tasks first:
            "uniform" over tasks, "proportional" to their rows, "temperature" (rows to the power
            1/temperature), "round_robin" (every task in turn, in random order); then rows of each drawn
            task, with replacement.
        temperature: 1 is proportional, large is uniform.
        tasks_per_batch: tasks drawn for a batch (8 if None); its rows are divided equally among them.
        drop_last: leave out an epoch's last batch if it is not full.

    Raises:
        ConfigError: if the scheme is unknown, or does not suit the data's shape.
    """

    def __init__(
        self,
        data: Batch,
        batch_size: int,
        seed: int,
        scheme: str = "shuffle",
        *,
        temperature: float = 1.0,
        tasks_per_batch: int | None = None,
        drop_last: bool = False,
    ) -> None:
        if scheme not in SCHEMES:
            raise ConfigError(f"Sampling '{scheme}' is unknown.", nearest(scheme, SCHEMES))
        if batch_size < 1:
            raise ConfigError(f"The batch size is {batch_size}.", "Use at least 1 row a batch.")
        if scheme != "shuffle" and data.task is None:
            raise ConfigError(
                f"Sampling '{scheme}' draws tasks first, but every row carries the labels of all tasks.",
                "Use sampling 'shuffle', or name a task column.",
            )
        tasks_per_batch = TASKS_PER_BATCH if tasks_per_batch is None else tasks_per_batch
        if not (temperature > 0 and tasks_per_batch > 0):
            raise ConfigError(
                f"Sampling has temperature {temperature} and {tasks_per_batch} tasks a batch.",
                "Use positive numbers.",
            )
        self.rows, self.batch_size, self.seed, self.scheme = len(data), batch_size, seed, scheme
        self.draws = 1 if scheme == "shuffle" else min(tasks_per_batch, batch_size)
        self._length = self.rows // batch_size if drop_last else -(-self.rows // batch_size)
        if scheme != "shuffle" and data.task is not None:
            self._sort(data.task, temperature)

    def __len__(self) -> int:
        """Batches an epoch: as many as it takes to see as many rows as there are."""
        return self._length

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Int[Tensor, " rows"], int]]:
        """Yield (rows, draws) for the epoch's batches from number `start` on."""
        if self.scheme == "shuffle":
            order = torch.randperm(self.rows, generator=stream(self.seed, "rows", epoch))
            for i in range(start, self._length):
                yield order[i * self.batch_size : (i + 1) * self.batch_size], 1
            return
        for i in range(start, self._length):
            yield self._draw(epoch, i), self.draws

    def _sort(self, task: Int[Tensor, " rows"], temperature: float) -> None:
        sizes = torch.bincount(task)
        self._present = torch.nonzero(sizes)[:, 0]
        self._sizes = sizes[self._present]
        self._starts = (sizes.cumsum(0) - sizes)[self._present]
        self._order = torch.argsort(task, stable=True)
        power = {"uniform": 0.0, "proportional": 1.0}.get(self.scheme, 1.0 / temperature)
        self._shares: Float[Tensor, " tasks"] = self._sizes.double() ** power

    def _draw(self, epoch: int, batch: int) -> Int[Tensor, " rows"]:
        generator = stream(self.seed, "tasks", epoch, batch)
        tasks = self._tasks(epoch, batch, generator)
        each = torch.arange(self.batch_size) % self.draws  # rows divided equally among the draws
        drawn = tasks[each.sort().values]
        where = torch.rand(self.batch_size, generator=generator, dtype=torch.float64)
        return self._order[self._starts[drawn] + (where * self._sizes[drawn]).long()]

    def _tasks(self, epoch: int, batch: int, generator: torch.Generator) -> Int[Tensor, " draws"]:
        if self.scheme != "round_robin":
            return torch.multinomial(self._shares, self.draws, replacement=True, generator=generator)
        count = len(self._present)
        turns = torch.arange(batch * self.draws, (batch + 1) * self.draws) + epoch * self._length * self.draws
        order = torch.randperm(count, generator=stream(self.seed, "turns"))
        return order[turns % count]
