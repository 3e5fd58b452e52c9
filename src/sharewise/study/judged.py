"""A table whose validation split shows the labels of one task alone, so that it alone chooses the weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from sharewise.data.batches import Batch
from sharewise.errors import ConfigError, DataError, nearest
from sharewise.tasks import TaskSet
from sharewise.train.loop import Splits


@dataclass(frozen=True)
class Judged:
    """What `fit` takes in place of a table; all tasks train, one judges.

    Attributes:
        tasks, train: the table's.
        valid: with the labels of the one task alone.
        identity: a digest of both.
    """

    tasks: TaskSet
    train: Batch
    valid: Batch
    identity: str

    def digest(self) -> str:
        """Return the digest."""
        return self.identity


def judged_by(data: Splits, main: str) -> Judged:
    """Return a table's splits with the best epoch, and patience, judged by one task.

    Raises:
        ConfigError: if the task is unknown.
        DataError: if no validation row has its label.
    """
    number = task_number(data.tasks, main)
    mask = data.valid.mask & belongs(data.valid, number, len(data.tasks))
    if not bool(mask.any()):
        raise DataError(
            f"No validation row has a label of the task '{main}'.", "Choose another split, or another task."
        )
    return Judged(data.tasks, data.train, replace(data.valid, mask=mask), f"{data.digest()} judged by {main}")


def task_number(tasks: TaskSet, name: str) -> int:
    """Return the position of the task; ConfigError if it is unknown."""
    if name not in tasks.names:
        raise ConfigError(f"There is no task '{name}'.", nearest(name, tasks.names))
    return tasks.index(name)


def belongs(batch: Batch, number: int, tasks: int) -> Tensor:
    """Return, for every label of a batch, whether it is of this task; broadcasts with the mask."""
    if batch.task is not None:
        return batch.task == number
    own = batch.mask.new_zeros(tasks)
    own[number] = True
    return own
