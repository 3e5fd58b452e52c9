"""The loop of meta-training: episodes -> adapt -> judge on queries -> one step, until no score is better.

What is computed at a step depends on the configuration and the step's number alone, never on how often the
run was stopped before; so runs resume bit for bit.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from sharewise.data.episodes import Condition, Episodes, EpisodeSource
from sharewise.errors import DivergedError
from sharewise.meta import Learner
from sharewise.meta.strategy import Strategy, make_strategy, tune_allocator
from sharewise.streams import derive_seed
from sharewise.train.devices import seed_chance
from sharewise.train.flat import flatten_parameters, step_flat
from sharewise.train.keeper import Keeper
from sharewise.train.meta_evaluate import evaluate_learner
from sharewise.train.meta_identity import Asked
from sharewise.train.meta_options import MetaOptions
from sharewise.train.meta_state import MetaState
from sharewise.train.progress import Progress
from sharewise.train.schedule import factor


class MetaLoop:
    """Takes a meta-training from wherever its state is to its end.

    Args:
        state: of the run; advanced in place.
        train: the tasks to learn from, and how their episodes look.
        valid: the same of those to choose by; None for none.
        options: how to train.
        keeper: told of steps, records and checkpoints.
        progress: told what the user should know.
    """

    def __init__(
        self,
        state: MetaState,
        train: Asked,
        valid: Asked | None,
        options: MetaOptions,
        keeper: Keeper,
        progress: Progress,
    ) -> None:
        self.state, self._options = state, options
        self._learner, self._train, self._valid = state.model, train, valid
        self._keeper, self._progress = keeper, progress
        self._flat = [p for group in state.optimizer.param_groups for p in group["params"]]
        self._rate = -1.0

    def run(self) -> None:
        """Take steps until the iterations are over or the patience is."""
        options, cursor = self._options, self.state.cursor
        self._keeper.start(options.iterations, cursor.step)
        if cursor.finished:
            return
        tune_allocator(self._learner)
        source, condition = self._train
        episodes = source.batches(
            condition, options.tasks_per_batch, options.seed, "train", start=cursor.step
        )
        device = self._flat[0].device
        self._learner.train()
        strategy = self._strategy()
        self._seed()
        try:
            while not cursor.finished:
                self._step(strategy, next(episodes).to(device))
        finally:
            strategy.close()

    def _strategy(self) -> Strategy:
        """Return what the whole run is worth, on as many cores as it was begun with: rest and whole alike."""
        options = self._options
        return make_strategy(
            options.strategy,
            self._learner,
            # Episodes of many sizes would have to be compiled for each.
            iterations=options.iterations if self._train[1].fixed else 0,
            cores=self.state.cores,
            tasks=options.tasks_per_batch,
            note=self._progress.note,
        )

    def _seed(self) -> None:
        """Set the chance that networks of one's own may draw on, from a checkpoint to the next."""
        seed_chance(self._flat[0].device, derive_seed(self._options.seed, "learner", self.state.cursor.step))

    def _step(self, strategy: Strategy, episodes: Episodes) -> None:
        cursor, options = self.state.cursor, self._options
        self._set_rate()
        for flat in self._flat:
            flat.grad.zero_()
        losses = strategy.backward(episodes)
        mean = losses.mean().item()
        if not math.isfinite(mean):
            raise _diverged(f"The loss is not a finite number at step {cursor.step}")
        if options.clip is not None:
            nn.utils.clip_grad_norm_(self._flat, options.clip)
        step_flat(self.state.optimizer)
        self.state.running[0] += mean
        self.state.running[1] += 1
        cursor.step += 1
        self._keeper.step(len(losses))
        if cursor.step >= options.iterations or cursor.step % options.eval_every == 0:
            self._look()

    def _look(self) -> None:
        """Evaluate, write the log's next record, and save."""
        cursor = self.state.cursor
        # With a finite loss the gradient may still be none.
        if not all(bool(flat.isfinite().all()) for flat in self._flat):
            raise _diverged(f"The weights are not finite numbers after step {cursor.step - 1}")
        cursor.finished = cursor.step >= self._options.iterations
        running = self.state.running
        record: dict[str, Any] = {
            "step": cursor.step,
            "epoch": cursor.step / self._options.iterations,
            "learning_rate": self._rate,
            "score": None,
            "train": {"loss": float(running[0] / running[1])},
            "valid": {},
        }
        if self._valid is not None:
            self._judge(*self._valid, record)
        self._keeper.evaluated(record)
        running.zero_()
        self._keeper.checkpoint(self.state)
        self._seed()

    def _judge(self, source: EpisodeSource, condition: Condition, record: dict[str, Any]) -> None:
        """Enter the score on the validation tasks into the record, and keep the weights if it is the best."""
        cursor, options = self.state.cursor, self._options
        found = evaluate_learner(
            self._learner, source, condition, episodes=options.eval_episodes, seed=options.seed, name="valid"
        )
        loss, metric = float(found.loss.mean()), float(found.metric.mean())
        if not math.isfinite(loss):
            raise _diverged(f"The validation loss is not a finite number after step {cursor.step - 1}")
        record["score"] = found.score
        record["valid"] = {"loss": loss, found.name: metric}
        if cursor.best_score is None or record["score"] > cursor.best_score:
            cursor.best_score, cursor.best_step, cursor.worse = record["score"], cursor.step, 0
            self.state.keep_best()
            return
        cursor.worse += 1
        if options.patience is not None and cursor.worse >= options.patience:
            cursor.finished = True

    def _set_rate(self) -> None:
        options, step = self._options, self.state.cursor.step
        self._learner.set_progress(step / options.iterations)
        rate = options.learning_rate * factor(options.schedule, step, options.iterations, options.warmup)
        if rate != self._rate:
            self._rate = rate
            for group in self.state.optimizer.param_groups:
                group["lr"] = rate


def make_optimizer(learner: Learner, options: MetaOptions) -> torch.optim.Optimizer:
    """Return the outer optimizer over the learner's weights as one flat parameter, or two with decay."""
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in learner.named_parameters():
        decays = options.weight_decay and parameter.ndim >= 2 and not name.startswith(learner.undecayed)
        if parameter.requires_grad:
            (decayed if decays else others).append(parameter)
    if not decayed and not others:
        others = [nn.Parameter(torch.zeros(1))]  # an optimizer wants something
    groups = [
        {"params": [flatten_parameters(own)], "weight_decay": decay}
        for own, decay in ((decayed, options.weight_decay), (others, 0.0))
        if own
    ]
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=options.learning_rate)
    return torch.optim.AdamW(groups, lr=options.learning_rate, fused=True)


def _diverged(problem: str) -> DivergedError:
    return DivergedError(
        f"{problem}; training stopped; what was saved before is kept.",
        "Lower the inner or the outer learning rate, or clip the gradient.",
    )
