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
from sharewise.errors import ConfigError, DataError, nearest
from sharewise.streams import stream

SCHEMES = ("shuffle", "uniform", "proportional", "temperature", "round_robin", "pike")
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
            1/temperature), "round_robin" (every task in turn, in random order); then labelled rows of each
            drawn task, with replacement. "pike": every row's task by shares that `reweigh` sets, at first
            those of "uniform".
        temperature: 1 is proportional, large is uniform.
        tasks_per_batch: tasks drawn for a batch (8 if None); its rows are divided equally among them.
        drop_last: leave out an epoch's last batch if it is not full.

    Raises:
        ConfigError: if the scheme is unknown, or does not suit the data's shape.
        DataError: if there is nothing to draw from.
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
        tasks_per_batch = TASKS_PER_BATCH if tasks_per_batch is None else tasks_per_batch
        _check(data, batch_size, scheme, temperature, tasks_per_batch)
        self.rows, self.batch_size, self.seed, self.scheme = len(data), batch_size, seed, scheme
        self.draws = 1 if scheme in ("shuffle", "pike") else min(tasks_per_batch, batch_size)
        self._length = self.rows // batch_size if drop_last else -(-self.rows // batch_size)
        if not self._length:
            raise DataError(
                f"{self.rows} rows make no full batch of {batch_size}.",
                "Use a smaller batch size, or more rows.",
            )
        if scheme != "shuffle" and data.task is not None:
            self._sort(data.task, data.mask, temperature)

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

    def _sort(self, task: Int[Tensor, " rows"], mask: Tensor, temperature: float) -> None:
        """Lay the labelled rows task by task, once; a draw is then an offset into its task's stretch."""
        labelled = torch.nonzero(mask)[:, 0]
        self._order = labelled[torch.argsort(task[labelled], stable=True)]
        sizes = torch.bincount(task[labelled])
        present = torch.nonzero(sizes)[:, 0]
        if not len(present):
            raise DataError("No row has a label to draw tasks by.", "Check the label of the table.")
        self._sizes, self._starts = sizes[present], (sizes.cumsum(0) - sizes)[present]
        self._present = present
        power = {"uniform": 0.0, "pike": 0.0, "proportional": 1.0}.get(self.scheme, 1.0 / temperature)
        shares: Float[Tensor, " tasks"] = (self._sizes.double() / self._sizes.max()) ** power
        self._shares = shares.cumsum(0) / shares.sum()
        # The rows are divided equally among the draws; by shares, each is a draw of its own.
        draws = self.batch_size if self.scheme == "pike" else self.draws
        self._each = (torch.arange(self.batch_size) % draws).sort().values

    def reweigh(self, shares: Float[Tensor, " tasks"]) -> None:
        """Draw tasks by these shares of the rows from now on; `shares` has one for every task of the data."""
        own = shares.double()[self._present]
        self._shares = own.cumsum(0) / own.sum()

    def probe(
        self, number: int, tasks: int, rows: int
    ) -> tuple[Int[Tensor, "tasks rows"], Int[Tensor, " tasks"]]:
        """Return rows of each of at most so many tasks, drawn anew for every number, and the tasks."""
        generator = stream(self.seed, "probe", number)
        drawn = torch.randperm(len(self._sizes), generator=generator)[:tasks].sort().values
        return self._rows(drawn[:, None].expand(-1, rows), generator), self._present[drawn]

    def _draw(self, epoch: int, batch: int) -> Int[Tensor, " rows"]:
        generator = stream(self.seed, "tasks", epoch, batch)
        return self._rows(self._tasks(epoch, batch, generator)[self._each], generator)

    def _rows(self, drawn: Int[Tensor, "*rows"], generator: torch.Generator) -> Int[Tensor, "*rows"]:
        """Return a row of each drawn task, with replacement."""
        where = torch.rand(drawn.shape, generator=generator, dtype=torch.float64)
        sizes = self._sizes[drawn]
        return self._order[self._starts[drawn] + torch.minimum((where * sizes).long(), sizes - 1)]

    def _tasks(self, epoch: int, batch: int, generator: torch.Generator) -> Int[Tensor, " draws"]:
        count = len(self._sizes)
        if self.scheme == "pike":  # evenly spaced draws: every task gets its share up to one row
            start = torch.rand((), generator=generator, dtype=torch.float64)
            u = (torch.arange(self.batch_size, dtype=torch.float64) + start) / self.batch_size
            return torch.searchsorted(self._shares, u, right=True).clamp(max=count - 1)
        if self.scheme != "round_robin":
            u = torch.rand(self.draws, generator=generator, dtype=torch.float64)
            return torch.searchsorted(self._shares, u, right=True).clamp(max=count - 1)
        turns = torch.arange(batch * self.draws, (batch + 1) * self.draws) + epoch * self._length * self.draws
        order = torch.randperm(count, generator=stream(self.seed, "turns"))
        return order[turns % count]


def _check(data: Batch, batch_size: int, scheme: str, temperature: float, tasks_per_batch: int) -> None:
    if scheme not in SCHEMES:
        raise ConfigError(f"Sampling '{scheme}' is unknown.", nearest(scheme, SCHEMES))
    if batch_size < 1:
        raise ConfigError(f"The batch size is {batch_size}.", "Use at least 1 row a batch.")
    if scheme != "shuffle" and data.task is None:
        raise ConfigError(
            f"Sampling '{scheme}' draws tasks first, but every row carries the labels of all tasks.",
            "Use sampling 'shuffle', or name a task column.",
        )
    if not (temperature > 0 and tasks_per_batch > 0):
        raise ConfigError(
            f"Sampling has temperature {temperature} and {tasks_per_batch} tasks a batch.",
            "Use positive numbers.",
        )
