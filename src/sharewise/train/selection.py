"""Which weights are kept, and when to stop: those of the best validation score.

Tasks that share nothing are networks of their own in one model. Each keeps the weights of its own best
evaluation and has a patience of its own, as if it were trained alone; so the baseline of every comparison is
as good as separate networks are.
"""

from __future__ import annotations

import math

from torch import Tensor

from sharewise.nn import MultiTaskModel, Part
from sharewise.tasks import TaskSet
from sharewise.train.evaluate import score_of
from sharewise.train.state import RunState


class Selection:
    """Judges evaluations, in the state of a run.

    Args:
        model: what is trained.
        tasks: what it predicts.
        constants: losses of the constant predictor on the validation split.
        epochs: to train at most.
        patience: evaluations without a better one after which to stop; None for never.
    """

    def __init__(
        self, model: MultiTaskModel, tasks: TaskSet, constants: Tensor, epochs: int, patience: int | None
    ) -> None:
        self._tasks, self._constants = tasks, constants
        self._epochs, self._patience = epochs, patience
        self._parts: list[list[Part]] | None = model.task_parts()

    def judge(self, state: RunState, losses: Tensor) -> float:
        """Keep what is best so far, and say in the cursor whether training is over; return the score.

        Args:
            state: its weights are those that were evaluated.
            losses: on the validation split, NaN for tasks without labels there.
        """
        score = score_of(losses, self._constants, self._tasks)
        if score == score:  # a number: there are validation labels to judge by
            tired = (
                self._whole(state, score) if self._parts is None else self._apart(state, losses, self._parts)
            )
        else:
            tired = False
        state.cursor.finished = state.cursor.epoch >= self._epochs or tired
        return score

    def _whole(self, state: RunState, score: float) -> bool:
        cursor = state.cursor
        if cursor.best_score is None or score > cursor.best_score:
            cursor.best_score, cursor.best_step, cursor.worse = score, cursor.step, 0
            state.keep_best()
        else:
            cursor.worse += 1
        return self._patience is not None and cursor.worse >= self._patience

    def _apart(self, state: RunState, losses: Tensor, parts: list[list[Part]]) -> bool:
        cursor, values = state.cursor, losses.tolist()
        if cursor.task_best is None or cursor.task_worse is None:
            cursor.task_best, cursor.task_worse = [math.inf] * len(values), [0] * len(values)
        kept: list[int] = []
        for task, loss in enumerate(values):
            if math.isnan(loss) or self._is_tired(cursor.task_worse[task]):
                if math.isnan(loss):
                    kept.append(task)  # nothing to judge by: the last weights
                continue
            if loss < cursor.task_best[task]:
                cursor.task_best[task], cursor.task_worse[task] = loss, 0
                kept.append(task)
            else:
                cursor.task_worse[task] += 1
        judged = [task for task, loss in enumerate(values) if not math.isnan(loss)]
        if any(task in kept for task in judged):
            cursor.best_step = cursor.step
        cursor.best_whole = len(kept) == len(values)
        state.keep_best(None if cursor.best_whole else [part for task in kept for part in parts[task]])
        best = [loss if loss < math.inf else math.nan for loss in cursor.task_best]
        cursor.best_score = score_of(losses.new_tensor(best), self._constants, self._tasks)
        return all(self._is_tired(cursor.task_worse[task]) for task in judged)

    def _is_tired(self, worse: int) -> bool:
        return self._patience is not None and worse >= self._patience
