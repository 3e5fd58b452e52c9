"""fit_learner: the same loop with episodes for batches: sample tasks, adapt, judge on queries, step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sharewise.data.episodes import Condition, EpisodeSource, differences
from sharewise.meta import Learner
from sharewise.train.devices import choose_device, repeatable, usable_cores
from sharewise.train.keeper import Keeper
from sharewise.train.meta_evaluate import check_source
from sharewise.train.meta_identity import fingerprint
from sharewise.train.meta_loop import MetaLoop, make_optimizer
from sharewise.train.meta_options import MetaOptions
from sharewise.train.meta_state import MetaState
from sharewise.train.processes import Processes
from sharewise.train.progress import Progress
from sharewise.train.state import Cursor


@dataclass(frozen=True)
class MetaResult:
    """A finished meta-training; the best weights are in the learner.

    Attributes:
        history: the log: one record an evaluation, with step, learning_rate, score, train and valid.
        best_step: where the score was best; the last step without validation tasks.
        best_score: there; NaN if there was none.
        steps: steps taken in all.
        seconds: of this call.
        tasks_per_second: episodes learned from over these seconds, evaluations included.
    """

    history: list[dict[str, Any]]
    best_step: int
    best_score: float
    steps: int
    seconds: float
    tasks_per_second: float


def fit_learner(
    learner: Learner,
    train: EpisodeSource,
    condition: Condition,
    options: MetaOptions = MetaOptions(),
    *,
    valid: EpisodeSource | None = None,
    valid_condition: Condition | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> MetaResult:
    """Meta-train a learner; afterwards it holds the weights of the best validation score, in evaluation mode.

    Args:
        learner: for the episodes of `train`; one that is not `trained` returns as it came.
        train: the tasks to learn from.
        condition: of the episodes.
        options: how to train.
        valid: tasks to choose the best weights by; without, the last weights are taken.
        valid_condition: of their episodes; by default those of training.
        folder: where checkpoints, log and weights go; a run that lies there goes on bit for bit.
        progress: told of the run's course, and where training and validation episodes differ; silent by
            default.

    Raises:
        DataError: if the sources have not enough for the condition, or are not what the learner was made for.
        DivergedError: if a loss is not finite; the last good checkpoint is kept.
        CheckpointError: if the folder holds checkpoints of another run, or none of them is whole.
    """
    told = progress or Progress()
    check_source(learner, train, condition)
    asked = None if valid is None else (valid, valid_condition or condition)
    if asked is not None:
        check_source(learner, *asked)
        _tell_differences(condition, asked[1], told)
    device = choose_device(options.device)
    learner.to(device)
    where = None if folder is None else Path(folder)
    identity = fingerprint(learner, (train, condition), asked, options) if where else ""
    keeper = Keeper(where, identity, told, Processes(device=device))
    state = MetaState(
        learner, make_optimizer(learner, options), torch.zeros(2, dtype=torch.float64), cores=usable_cores()
    )
    try:
        keeper.resume(state)
        state.cursor.finished |= not learner.trained
        with repeatable(device):
            MetaLoop(state, (train, condition), asked, options, keeper, told).run()
        state.restore_best()
        learner.set_progress(1.0)
        learner.eval()
        keeper.finish(learner, None)
    finally:
        keeper.close()
    return _result(state.cursor, keeper)


def _tell_differences(train: Condition, valid: Condition, progress: Progress) -> None:
    for found in differences(train, valid):
        progress.note(
            f"Training and validation differ in {found}. A learner learns to learn from episodes like those "
            "it is trained on; on others it may do worse than its training lets expect."
        )


def _result(cursor: Cursor, keeper: Keeper) -> MetaResult:
    return MetaResult(
        keeper.log.records(),
        cursor.step if cursor.best_score is None else cursor.best_step,
        float("nan") if cursor.best_score is None else cursor.best_score,
        cursor.step,
        keeper.seconds,
        keeper.rows / keeper.seconds,
    )
