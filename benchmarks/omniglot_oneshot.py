"""Lake's one-shot benchmark: the recipe, its training and the 20 runs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sharewise import files
from sharewise.data.episodes import Augmented, Condition, Distortion, EpisodeSource, omniglot
from sharewise.meta import Learner, NetOptions, Spec, Views, make_learner
from sharewise.train.meta import fit_learner
from sharewise.train.meta_evaluate import evaluate_learner
from sharewise.train.meta_options import MetaOptions
from sharewise.train.progress import Progress

#: Errors in percent (Lake, Salakhutdinov & Tenenbaum 2019): with 30 background alphabets, and with 5.
PUBLISHED: dict[str, dict[str, float]] = {
    "oneshot": {"prototypical_net": 13.7, "conv_net": 13.5, "people": 4.5, "bpl": 3.3},
    "minimal": {"prototypical_net": 30.1, "conv_net": 23.2, "bpl": 4.2},
}


@dataclass(frozen=True)
class Recipe:
    """How the network is made and trained; every choice was made on alphabets held out of the background."""

    size: int = 28
    within: float = 0.9
    distortion: Distortion = field(default_factory=lambda: Distortion(symmetries=8))
    condition: Condition = field(default_factory=lambda: Condition(shots=1, queries=3, ways=20))
    net: NetOptions = field(default_factory=lambda: NetOptions(channels=(32, 64, 128, 256)))
    options: MetaOptions = field(
        default_factory=lambda: MetaOptions(
            iterations=8_000,
            tasks_per_batch=1,
            learning_rate=2e-3,
            schedule="cosine",
            warmup=100,
            eval_every=250,
        )
    )


#: Steps with the 30 background alphabets, and with 5, which over-fit sooner.
ITERATIONS = {"background": 8_000, "small1": 1_500, "small2": 1_500}


class Meter(Progress):
    """Adds up the time of a training over its resumptions, in a file beside the checkpoints."""

    def __init__(self, path: Path | None, say: Any) -> None:
        self.path, self.say = path, say
        known = json.loads(path.read_text(encoding="utf-8")) if path is not None and path.exists() else {}
        self.spent: dict[str, float] = {"core": known.get("core", 0.0), "wall": known.get("wall", 0.0)}
        self._core, self._wall = time.process_time(), time.perf_counter()

    def evaluated(self, record: Mapping[str, Any]) -> None:
        """Note the time so far."""
        core, wall = time.process_time(), time.perf_counter()
        self.spent["core"] += core - self._core
        self.spent["wall"] += wall - self._wall
        self._core, self._wall = core, wall
        if self.path is not None:
            files.write_bytes(self.path, json.dumps(self.spent).encode())
        score = record["valid"].get("accuracy")
        held = "" if score is None else f", held out {100 * (1 - score):.2f} %"
        loss = record["train"]["loss"]
        self.say(f"  step {record['step']}: loss {loss:.4f}{held}, {self.spent['core']:.0f} core-seconds")


def train(
    split: str, recipe: Recipe, held_out: int, seed: int, cache: Path | None, say: Any
) -> tuple[Learner, EpisodeSource | None, dict[str, float]]:
    """Return the trained network, the held-out alphabets if any, and the core- and wall-seconds it took."""
    parts = omniglot.sources(split, recipe.size, recipe.within, rotations=False, seed=seed, held_out=held_out)
    source = Augmented(parts["train"], recipe.distortion)
    spec = Spec(source.inputs, source.kind, 20, len(source.names))
    learner = make_learner("protonet", spec, seed=seed, net=recipe.net, exchange=True, scaled=True)
    folder = None
    if cache is not None:
        folder = cache / f"{split}-{recipe.options.iterations}-{held_out}-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
    meter = Meter(None if folder is None else folder / "time.json", say)
    # The last weights are taken: what is held out shows the way, and chooses between recipes, not steps.
    fit_learner(
        learner, source, recipe.condition, replace(recipe.options, seed=seed), folder=folder, progress=meter
    )
    return learner, parts.get("valid"), meter.spent


def held_out_error(learner: Learner, valid: EpisodeSource, episodes: int) -> dict[str, float]:
    """Return the error in percent within alphabets held out, by one view and by eight."""
    one_query = Condition(shots=1, queries=1, ways=min(20, len(valid.names)))
    return {
        name: 100 * (1 - float(evaluate_learner(asked, valid, one_query, episodes=episodes).metric.mean()))
        for name, asked in (("one_view", learner), ("eight_views", Views(learner)))
    }


def runs_error(learner: Learner, size: int) -> dict[str, Any]:
    """Return the error on the 20 runs in percent, with its intervals over answers and over runs."""
    from scipy.stats import binomtest

    runs = omniglot.one_shot_runs(size)
    found: dict[str, Any] = {}
    for name, asked in (("one_view", learner), ("", Views(learner))):
        with torch.no_grad():
            outputs = asked.adapt(runs.support)(runs.query.inputs).outputs
        wrong = (outputs.argmax(-1) != runs.query.targets).double().numpy()
        if name:
            found["error_percent_one_view"] = 100 * float(wrong.mean())
            continue
        exact = binomtest(int(wrong.sum()), wrong.size).proportion_ci(method="exact")
        again = np.random.default_rng(0).integers(0, len(wrong), (10_000, len(wrong)))
        low, high = np.quantile(wrong.mean(1)[again].mean(1), [0.025, 0.975])
        found |= {
            "error_percent": 100 * float(wrong.mean()),
            "wrong": int(wrong.sum()),
            "of": int(wrong.size),
            "binomial_95": [100 * float(exact.low), 100 * float(exact.high)],
            "bootstrap_of_runs_95": [100 * float(low), 100 * float(high)],
            "wrong_by_run": wrong.sum(1).astype(int).tolist(),
        }
    return found
