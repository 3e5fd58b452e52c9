"""The training that `crash.py` disturbs: tiny, with drop-out, momentum and a balancer that remembers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from sharewise import files
from sharewise.balance import Balancer, make_balancer
from sharewise.data.batches import Batch
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.tasks import InputSpec, Task, TaskSet
from sharewise.train import Run, TrainOptions, fit
from sharewise.train.fit import fingerprint

OPTIONS = TrainOptions(
    epochs=3, batch_size=32, evals_per_epoch=2, checkpoint_every=1, precision="fp32", device="cpu", diagnose=2
)


@dataclass(frozen=True)
class Data:
    """A table of random rows."""

    tasks: TaskSet
    train: Batch
    valid: Batch

    def digest(self) -> str:
        return "random rows"


def make_data(rows: int = 128) -> Data:
    """Return rows with one binary and one regression task, every fifth label missing."""
    chance = torch.Generator().manual_seed(0)

    def split(size: int) -> Batch:
        x = torch.randn(size, 4, generator=chance)
        targets = torch.stack([(x[:, 0] + x[:, 1] > 0).float(), x[:, 1] - x[:, 2]], dim=1)
        mask = torch.rand(size, 2, generator=chance) > 0.2
        return Batch({"numeric": x}, targets * mask, mask)

    tasks = TaskSet([Task("sign", "binary"), Task("difference", "regression")])
    return Data(tasks, split(rows), split(rows // 2))


def make_model(data: Data) -> MultiTaskModel:
    """Return the tiny model, always with the same first weights."""
    inputs = InputSpec(bins=((-1.0, 0.0, 1.0),) * 4)
    options = ModelOptions(sharing="mmoe", hidden=(8,), experts=2, dropout=0.2)
    return MultiTaskModel(data.tasks, inputs, options, seed=0)


def make_balanced(data: Data) -> Balancer:
    """Return the balancer: its weights depend on all gradients so far."""
    return make_balancer(data.tasks, "gradvac")


def train(data: Data, folder: Path) -> None:
    """Run the training, or go on with it."""
    fit(make_model(data), data, OPTIONS, balancer=make_balanced(data), folder=folder)


def warm(data: Data, scratch: Path) -> None:
    """Train once, so that no child must load what the first step loads."""
    train(data, scratch / "warm")


def identity(data: Data) -> str:
    """Return what the run's checkpoints are known by."""
    return fingerprint(make_model(data), data, OPTIONS, make_balanced(data))


def outcome(folder: Path) -> dict[str, str]:
    """Return hashes of all that must not differ: weights, log, optimizer, balancer, cursor."""
    last = sorted((folder / "checkpoint").glob("step-*"))[-1]
    found = {"digest": Run.open(folder).digest, "last": last.name}
    return {**found, **{name: files.sha256_file(last / name) for name in ("state.safetensors", "state.json")}}
