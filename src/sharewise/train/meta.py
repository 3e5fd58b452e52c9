"""fit_learner: the same loop with episodes for batches: sample tasks, adapt, judge on queries, step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from sharewise import files
from sharewise.data.episodes import Condition, EpisodeSource
from sharewise.errors import DivergedError
from sharewise.meta import Learner
from sharewise.meta.strategy import make_strategy, tune_allocator
from sharewise.train.devices import choose_device, usable_cores
from sharewise.train.flat import flatten_parameters
from sharewise.train.keeper import Keeper
from sharewise.train.meta_evaluate import evaluate_learner
from sharewise.train.meta_options import MetaOptions
from sharewise.train.meta_state import MetaState
from sharewise.train.processes import Processes
from sharewise.train.progress import Progress
from sharewise.train.schedule import factor
from sharewise.train.state import plain


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
        progress: told of the run's course; silent by default.

    Raises:
        DataError: if the sources have not enough for the condition.
        DivergedError: if a loss is not finite; the last good checkpoint is kept.
        CheckpointError: if the folder holds checkpoints of another run, or none of them is whole.
    """
    told = progress or Progress()
    train.check(condition)
    if valid is not None:
        valid.check(valid_condition or condition)
    device = choose_device(options.device)
    learner.to(device)
    where = None if folder is None else Path(folder)
    keeper = Keeper(
        where,
        _fingerprint(learner, train, valid, condition, valid_condition, options) if where else "",
        told,
        Processes(device=device),
    )
    state = MetaState(learner, _optimizer(learner, options), torch.zeros(2, dtype=torch.float64))
    loop = _Loop(learner, state, train, condition, options, keeper, told)
    loop.validation = None if valid is None else (valid, valid_condition or condition)
    try:
        keeper.resume(state)
        if not learner.trained:
            state.cursor.finished = True
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            loop.run()
        state.restore_best()
        learner.set_progress(1.0)
        learner.eval()
        keeper.finish(learner, None)
    finally:
        keeper.close()
    cursor = state.cursor
    return MetaResult(
        keeper.log.records(),
        cursor.step if cursor.best_score is None else cursor.best_step,
        float("nan") if cursor.best_score is None else cursor.best_score,
        cursor.step,
        keeper.seconds,
        keeper.rows / keeper.seconds,
    )


class _Loop:
    def __init__(
        self,
        learner: Learner,
        state: MetaState,
        train: EpisodeSource,
        condition: Condition,
        options: MetaOptions,
        keeper: Keeper,
        progress: Progress,
    ) -> None:
        self.learner, self.state, self.options = learner, state, options
        self.train, self.condition, self.keeper, self.progress = train, condition, keeper, progress
        self.validation: tuple[EpisodeSource, Condition] | None = None
        self.rate = -1.0

    def run(self) -> None:
        """Take steps until the iterations are over or the patience is."""
        options, cursor = self.options, self.state.cursor
        self.keeper.start(options.iterations, cursor.step)
        if cursor.finished:
            return
        tune_allocator(self.learner)
        strategy = make_strategy(
            options.strategy,
            self.learner,
            # Episodes of many sizes would have to be compiled for each.
            iterations=options.iterations - cursor.step if self.condition.fixed else 0,
            cores=usable_cores(),
            tasks=options.tasks_per_batch,
            note=self.progress.note,
        )
        device = next(self.learner.parameters()).device
        episodes = self.train.batches(
            self.condition, options.tasks_per_batch, options.seed, "train", start=cursor.step
        )
        self.learner.train()
        try:
            for batch in episodes:
                self._set_rate()
                self._clear()
                losses = strategy.backward(batch.to(device) if device.type != "cpu" else batch)
                self._step(losses)
                if cursor.finished:
                    return
        finally:
            strategy.close()

    def _step(self, losses: torch.Tensor) -> None:
        cursor, options, state = self.state.cursor, self.options, self.state
        mean = losses.mean().item()
        if not math.isfinite(mean):
            raise DivergedError(
                f"The loss is not a finite number at step {cursor.step}; training stopped; what was saved "
                "before is kept.",
                "Lower the inner or the outer learning rate, or clip the gradient.",
            )
        if options.clip is not None:
            flat = [p for group in state.optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(flat, options.clip)
        state.optimizer.step()
        state.running[0] += mean
        state.running[1] += 1
        cursor.step += 1
        self.keeper.step(len(losses))
        last = cursor.step >= options.iterations
        if last or cursor.step % options.eval_every == 0:
            cursor.finished = last
            self.keeper.evaluated(self._evaluate(mean))
            state.running.zero_()
            self.keeper.checkpoint(state)

    def _clear(self) -> None:
        for group in self.state.optimizer.param_groups:
            for flat in group["params"]:
                flat.grad.zero_()

    def _set_rate(self) -> None:
        options, step = self.options, self.state.cursor.step
        self.learner.set_progress(step / options.iterations)
        rate = options.learning_rate * factor(options.schedule, step, options.iterations, options.warmup)
        if rate != self.rate:
            self.rate = rate
            for group in self.state.optimizer.param_groups:
                group["lr"] = rate

    def _evaluate(self, mean: float) -> dict[str, Any]:
        cursor, running = self.state.cursor, self.state.running
        record: dict[str, Any] = {
            "step": cursor.step,
            "epoch": cursor.step / self.options.iterations,
            "learning_rate": self.rate,
            "score": None,
            "train": {"loss": float(running[0] / running[1])},
            "valid": {},
        }
        if self.validation is None:
            return record
        source, condition = self.validation
        found = evaluate_learner(
            self.learner,
            source,
            condition,
            episodes=self.options.eval_episodes,
            seed=self.options.seed,
            name="valid",
        )
        if not math.isfinite(float(found.loss.mean())):
            raise DivergedError(
                f"The loss on the validation tasks is not a finite number after step {cursor.step}.",
                "Lower the learning rates.",
            )
        score = float(found.metric.mean()) if found.higher_is_better else -float(found.loss.mean())
        record["score"] = score
        record["valid"] = {"loss": float(found.loss.mean()), found.name: float(found.metric.mean())}
        if cursor.best_score is None or score > cursor.best_score:
            cursor.best_score, cursor.best_step, cursor.worse = score, cursor.step, 0
            self.state.keep_best()
        else:
            cursor.worse += 1
            if self.options.patience is not None and cursor.worse >= self.options.patience:
                cursor.finished = True
        return record


def _optimizer(learner: Learner, options: MetaOptions) -> torch.optim.Optimizer:
    parameters = list(learner.parameters()) or [nn.Parameter(torch.zeros(1))]  # it wants something
    decayed = [p for p in parameters if options.weight_decay and p.ndim >= 2]
    others = [p for p in parameters if not options.weight_decay or p.ndim < 2]
    groups = [
        {"params": [flatten_parameters(own)], "weight_decay": decay}
        for own, decay in ((decayed, options.weight_decay), (others, 0.0))
        if own
    ]
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=options.learning_rate)
    return torch.optim.AdamW(groups, lr=options.learning_rate, fused=True)


def _fingerprint(
    learner: Learner,
    train: EpisodeSource,
    valid: EpisodeSource | None,
    condition: Condition,
    valid_condition: Condition | None,
    options: MetaOptions,
) -> str:
    parts = {
        "learner": type(learner).__name__,
        "steps": getattr(learner, "steps", None),
        "rate": getattr(learner, "rate", None),
        "train": train.digest(),
        "valid": valid.digest() if valid else None,
        "condition": condition.to_dict(),
        "valid_condition": valid_condition.to_dict() if valid_condition else None,
        "options": options.to_dict(),
    }
    weights = safetensors.torch.save(plain(learner.state_dict()))
    return files.sha256(files.to_json(parts) + files.sha256(weights).encode())
