"""Small meta-trainings for the tests of the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sharewise import files
from sharewise.data.episodes import Condition, EpisodeSource, LabelledExamples, Sinusoids
from sharewise.meta import Learner, Spec, make_learner
from sharewise.meta.nets import NetOptions
from sharewise.tasks import InputSpec
from sharewise.train import Progress, Run
from sharewise.train.meta import MetaResult, fit_learner
from sharewise.train.meta_options import MetaOptions

OPTIONS = MetaOptions(
    iterations=12,
    tasks_per_batch=4,
    learning_rate=1e-2,
    schedule="cosine",
    warmup=2,
    clip=1.0,
    eval_every=3,
    eval_episodes=5,
    device="cpu",
)


SMALL = NetOptions(hidden=(8,))


@dataclass(frozen=True)
class Case:
    """A learner and what it is trained on."""

    learner: str
    options: Mapping[str, Any]
    source: EpisodeSource
    condition: Condition
    net: NetOptions = SMALL
    training: MetaOptions = OPTIONS

    def make(self, seed: int = 0, **changes: Any) -> Learner:
        spec = Spec.of(self.source, self.condition)
        return make_learner(self.learner, spec, seed=seed, net=self.net, **{**self.options, **changes})

    def train(self, folder: Path | None, progress: Progress | None = None) -> tuple[Learner, MetaResult]:
        learner = self.make()
        result = fit_learner(
            learner,
            self.source,
            self.condition,
            self.training,
            valid=self.source,
            folder=folder,
            progress=progress,
        )
        return learner, result


def pictures(classes: int = 8, each: int = 6) -> LabelledExamples:
    """Return classes of 6 x 6 pictures: a mean of the class and noise."""
    chance = torch.Generator().manual_seed(0)
    means = torch.randn(classes, 1, 1, 6, 6, generator=chance)
    values = means + 0.5 * torch.randn(classes, each, 1, 6, 6, generator=chance)
    labels = torch.arange(classes).repeat_interleave(each)
    names = [f"picture {i}" for i in range(classes)]
    return LabelledExamples(InputSpec(image=(1, 6, 6)), {"image": values.flatten(0, 1)}, labels, names)


def outcome(folder: Path) -> dict[str, str]:
    """Return hashes of all that must not differ: weights, log, optimizer, cursor."""
    last = sorted((folder / "checkpoint").iterdir())[-1]
    hashes = {path.name: files.sha256_file(path) for path in last.iterdir()}
    return {**hashes, "last": last.name, "digest": Run.open(folder).digest}


WAVES, WAVE_CONDITION = Sinusoids(), Condition(shots=3, queries=4)
