"""The meta-training that `crash.py` disturbs: tiny, with momentum, drop-out and early stopping."""

from __future__ import annotations

from pathlib import Path

import torch
import victim
from torch import nn

from sharewise.data.episodes import Condition, Sinusoids
from sharewise.meta import OwnNet, Spec
from sharewise.meta.gradient import MAML
from sharewise.train import MetaOptions, fit_learner
from sharewise.train.meta_identity import fingerprint

OPTIONS = MetaOptions(
    iterations=18, tasks_per_batch=4, eval_every=3, eval_episodes=6, patience=5, clip=1.0, device="cpu"
)
CONDITION = Condition(shots=(2, 5), queries=4)
outcome = victim.outcome


def make_data() -> Sinusoids:
    """Return the tasks."""
    return Sinusoids()


def make_learner(data: Sinusoids) -> MAML:
    """Return the tiny learner, always with the same first weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1))
    return MAML(
        Spec.of(data, CONDITION), net=OwnNet(net, out_features=1, vectorise=False), second_order=False
    )


def train(data: Sinusoids, folder: Path) -> None:
    """Run the training, or go on with it."""
    fit_learner(make_learner(data), data, CONDITION, OPTIONS, valid=data, folder=folder)


def warm(data: Sinusoids, scratch: Path) -> None:
    """Train once, so that no child must load what the first step loads."""
    train(data, scratch / "warm")


def identity(data: Sinusoids) -> str:
    """Return what the run's checkpoints are known by."""
    return fingerprint(make_learner(data), (data, CONDITION), (data, CONDITION), OPTIONS)
