"""fit: train a model on a table, keep what it leaves in a folder, go on where an earlier call stopped."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from sharewise import files
from sharewise.balance import Balancer, Conflict, make_balancer
from sharewise.data import Table
from sharewise.errors import DataError
from sharewise.nn import MultiTaskModel
from sharewise.train.devices import choose_device, repeatable
from sharewise.train.keeper import Keeper
from sharewise.train.loop import Loop, Splits, make_optimizer
from sharewise.train.options import TrainOptions
from sharewise.train.processes import connect
from sharewise.train.progress import Progress
from sharewise.train.result import FitResult
from sharewise.train.state import RunState, plain


def fit(
    model: MultiTaskModel,
    data: Splits,
    options: TrainOptions = TrainOptions(),
    *,
    balancer: Balancer | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Train a model; afterwards it holds the weights of the best validation score, in evaluation mode.

    Tasks that share nothing keep the weights of their own best validation loss each, and stop each by its own
    patience, as if they were trained alone.

    Under torchrun the processes share the work, and give the result of one process up to rounding.

    Args:
        model: for the tasks and inputs of `data`.
        data: a `Table`, or anything with `tasks`, `train`, `valid` and `digest()`.
        options: how to train.
        balancer: how tasks are balanced, made by `make_balancer` for this run; equal weights by default.
        folder: where checkpoints, log and weights go. If it holds checkpoints of the same run, that goes on,
            bit for bit as if it had never stopped; a finished one returns at once.
        progress: told of the run's course; silent by default.

    Raises:
        DataError: if the training split has no rows.
        CheckpointError: if the folder holds checkpoints of another run, or none of them is whole.
        DivergedError: if a loss is not finite; the last good checkpoint is kept.
        SharewiseError: if the folder cannot be written to; the last good checkpoint is kept.
    """
    if not len(data.train):
        raise DataError("The training split has no rows.", "Choose another split.")
    processes = connect(choose_device(options.device))
    balancer = make_balancer(data.tasks) if balancer is None else balancer
    where = None if folder is None else Path(folder)
    identity = fingerprint(model, data, options, balancer) if where else ""
    keeper = Keeper(where, identity, progress or Progress(), processes)
    state = _start(model.to(processes.device), data, options, balancer)
    try:
        keeper.resume(state)
        loop = Loop(model, state, data, options, processes, keeper)
        with repeatable(processes.device):
            loop.run()
        state.restore_best()
        model.eval()
        keeper.finish(model, data.schema if isinstance(data, Table) else None)
    finally:
        keeper.close()
    return _result(loop, keeper)


def fingerprint(model: nn.Module, data: Splits, options: TrainOptions, balancer: Balancer) -> str:
    """Return a SHA-256 over all that decides a run: table, tasks, options, initial weights, balancing."""
    parts = [
        files.to_json({"tasks": data.tasks.to_dict(), "data": data.digest(), "options": options.to_dict()}),
        files.to_json(balancer.describe()),
        safetensors.torch.save(plain(balancer.state_dict())),
        safetensors.torch.save(plain(model.state_dict())),
    ]
    return files.sha256("".join(files.sha256(part) for part in parts).encode())


def _start(model: MultiTaskModel, data: Splits, options: TrainOptions, balancer: Balancer) -> RunState:
    device = next(model.parameters()).device
    exact = torch.float32 if device.type == "mps" else torch.float64
    running = torch.zeros(2, len(data.tasks), dtype=exact, device=device)
    return RunState(
        model, make_optimizer(model.parameter_groups(), options), balancer, running, Conflict(len(data.tasks))
    )


def _result(loop: Loop, keeper: Keeper) -> FitResult:
    cursor, history = loop.state.cursor, keeper.log.records()
    best_step = cursor.step if cursor.best_score is None else cursor.best_step
    best = next((record for record in history if record["step"] == best_step), None)
    return FitResult(
        history=history,
        best_step=best_step,
        best_score=float("nan") if cursor.best_score is None else cursor.best_score,
        scores=loop.gains(_best_losses(loop, best["valid"])) if best else {},
        steps=cursor.step,
        seconds=keeper.seconds,
        rows_per_second=keeper.rows / keeper.seconds,
    )


def _best_losses(loop: Loop, at_best: dict[str, float]) -> dict[str, float]:
    own = loop.state.cursor.task_best
    if own is None:
        return at_best
    return {task.name: loss for task, loss in zip(loop.tasks, own, strict=True) if loss < float("inf")}
