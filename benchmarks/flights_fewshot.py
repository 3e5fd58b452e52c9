"""A new destination, and K of its flights: from how many on does learning to learn pay?

Claim: none in figures; it reports what a few flights are worth. A task is a destination of the New York
flights (catalog of episodes: `flights-by-destination`). Test destinations are never seen in training, and
their flights are of months after it; the K support flights are the last ones before the query flights. All K
are judged by the very same query flights: of every test destination some samples of 160 flights in order of
time are drawn; the first 100 are what support sets are taken from, the others are asked for.

Learners and baselines are trained on the same episodes by the same budget; the best weights and, with the
first seed, the best of a few options are chosen on the validation destinations; runs that diverge are
left out. K = 0 is what a learner says before any flight, where that is defined: learners that take steps take
none, ALPaCA answers from its prior, the neural process from an empty set. `scratch` trains a network of its
own on the support flights; `constant` always says the mean of the training flights.

The loss is the negative log likelihood in nats for a label of two classes, and the squared error by the
label's variance for numbers. Intervals (95 %, Student's) are over the test destinations of all folds, some 17
a fold, that have flights enough; a destination's value is its mean over seeds and samples. `pooled`, which
ignores the support set, is the network that all flights of the training destinations share.

Figures: `<label>.<learner>.<K>` with `loss`, `minus_pooled` and `minus_scratch` (with `low` and `high`);
`<label>.<learner>.beats_pooled_at` and `.beats_scratch_at`: the K where the interval lies below 0.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import common
from sharewise.data.episodes import Condition, Episodes, Shots, TaskRows
from sharewise.data.episodes.catalog import load
from sharewise.data.episodes.episode_set import EpisodeSet
from sharewise.errors import DivergedError
from sharewise.meta import LEARNERS, Learner, NetOptions, Spec, make_learner
from sharewise.streams import stream
from sharewise.train.meta import fit_learner
from sharewise.train.meta_evaluate import evaluate_learner
from sharewise.train.meta_options import MetaOptions

LABELS = ("late_arrival", "arrival_delay", "air_time")
SHOTS = (0, 5, 20, 100)
QUERIES = 60
NET = NetOptions(hidden=(64, 64), embedding=8)
TRAINING = Condition(shots=20, queries=30)
#: Those that read the support set in one pass are trained with as many flights as they may see.
READING = Condition(shots=(5, 100), queries=30)

#: Learner -> options to choose from on the validation destinations.
CHOICES: dict[str, list[dict[str, Any]]] = {
    "maml": [{"steps": 5, "rate": 0.002}, {"steps": 5, "rate": 0.02}],
    "anil": [{"steps": 5, "rate": 0.002}, {"steps": 5, "rate": 0.02}],
    "cavia": [{"steps": 2, "rate": 0.1}, {"steps": 2, "rate": 1.0}],
    "matching": [{}],
    "r2d2": [{"regularisation": 1.0}, {"regularisation": 30.0}],
    "alpaca": [{}],
    "cnp": [{}],
    "transformer": [{}],
    "fine_tuned": [
        {"steps": 20, "rate": 0.001},
        {"steps": 20, "rate": 0.005},
        {"steps": 20, "rate": 0.0002},
    ],
    "scratch": [
        {"steps": 100, "rate": 0.01},
        {"steps": 100, "rate": 0.001},
        {"steps": 20, "rate": 0.001},
        {"steps": 400, "rate": 0.01},
    ],
    "pooled": [{}],
}
READERS = ("matching", "r2d2", "alpaca", "cnp", "transformer")
#: Answers without an example.
EMPTY = ("alpaca", "cnp", "pooled")


@dataclass(frozen=True)
class Budget:
    """How much is trained and tested."""

    iterations: int
    samples: int
    folder: Path


def train(
    found: EpisodeSet, name: str, choice: int, seed: int, budget: Budget, key: str
) -> tuple[Learner, float]:
    """Return a trained learner and its best score on the validation destinations."""
    spec = Spec(found.train.inputs, found.train.kind)
    learner = make_learner(name, spec, seed=seed, net=NET, **CHOICES[name][choice])
    options = MetaOptions(
        iterations=budget.iterations,
        schedule="cosine",
        warmup=min(100, budget.iterations // 10),
        clip=10.0,
        eval_every=max(budget.iterations // 6, 1),
        eval_episodes=96,
        seed=seed,
        device="cpu",
        strategy="whole",
    )
    if not learner.trained:
        valid = evaluate_learner(learner, found.valid, TRAINING, episodes=options.eval_episodes, name="valid")
        return learner, valid.score
    condition = READING if name in READERS else TRAINING
    folder = budget.folder / f"{key}-{name}-{choice}-{seed}-{budget.iterations}"
    try:
        result = fit_learner(
            learner,
            found.train,
            condition,
            options,
            valid=found.valid,
            valid_condition=TRAINING,
            folder=folder,
        )
    except DivergedError:
        return learner, -np.inf
    return learner, result.best_score


def trained(found: EpisodeSet, name: str, seeds: int, budget: Budget, key: str) -> list[Learner]:
    """Return a learner's seeds, with the options that were better on the validation destinations."""
    first = [train(found, name, choice, 0, budget, key) for choice in range(len(CHOICES[name]))]
    best = int(np.argmax([score for _, score in first]))
    runs = [first[best], *(train(found, name, best, seed, budget, key) for seed in range(1, seeds))]
    return [learner for learner, score in runs if score != -np.inf]


def sample(source: TaskRows, number: int) -> tuple[list[str], Episodes]:
    """Return a sample of every destination with enough flights, and their names."""
    fit = (source.counts >= max(SHOTS) + QUERIES // 2).nonzero().squeeze(1)
    drawn = source.episodes(fit, max(SHOTS), QUERIES, stream(0, "flights few-shot", number))
    return [source.names[i] for i in fit.tolist()], drawn


def last(support: Shots, shots: int) -> Shots:
    """Return the last of the support's rows; for 0 one that does not count."""
    rows = slice(support.rows - max(shots, 1), None)
    mask = None if support.mask is None else support.mask[:, rows]
    if not shots:
        mask = torch.zeros(len(support), 1, dtype=torch.bool)
    inputs = {key: value[:, rows] for key, value in support.inputs.items()}
    return Shots(inputs, support.targets[:, rows], mask)


def losses(learner: Learner, episodes: Episodes, shots: int) -> Tensor:
    """Return ``[tasks]``: log loss, or the squared error in units of the label's variance."""
    steps = 0 if learner.stepwise and not shots else None
    with torch.no_grad():
        forecast = learner.adapt(last(episodes.support, shots), steps)(episodes.query.inputs)
    query = episodes.query
    if learner.spec.kind.name != "regression":
        return learner.losses(forecast, query)
    squares = (forecast.outputs[..., 0] - query.targets).square()
    return (squares * query.weights).sum(1)


def test(learners: list[Learner], name: str, source: TaskRows, samples: int) -> dict[int, dict[str, float]]:
    """Return by K the loss on every destination, the mean over seeds and samples."""
    found: dict[int, dict[str, float]] = {}
    drawn = [sample(source, number) for number in range(samples)]
    for shots in SHOTS:
        if shots or name in EMPTY or (learners[0].stepwise and learners[0].from_nothing):
            each = torch.stack([losses(own, e, shots) for own in learners for _, e in drawn]).mean(0)
            found[shots] = dict(zip(drawn[0][0], each.double().tolist(), strict=True))
    return found


def constant(found: EpisodeSet, samples: int) -> dict[int, dict[str, float]]:
    """Return the same as `test` for the mean of the training flights, which needs no flight to say."""
    assert isinstance(found.train, TaskRows)
    assert isinstance(found.test, TaskRows)
    mean, binary = found.train.targets.mean(), found.train.kind.name == "binary"
    each = []
    for number in range(samples):
        names, episodes = sample(found.test, number)
        targets = episodes.query.known
        apart = torch.nn.functional.binary_cross_entropy if binary else torch.nn.functional.mse_loss
        each.append(
            (apart(mean.expand_as(targets), targets, reduction="none") * episodes.query.weights).sum(1)
        )
    by_place = dict(zip(names, torch.stack(each).mean(0).double().tolist(), strict=True))
    return dict.fromkeys(SHOTS, by_place)


def measure(chosen: Any, label: str, budget: Budget) -> dict[str, Any]:
    """Return the figures of one label."""
    values: dict[str, dict[int, dict[str, float]]] = {}
    for fold in range(chosen.folds):
        found = load("flights-by-destination", label=label, fold=fold)
        for shots, by_place in constant(found, budget.samples).items():
            values.setdefault("constant", {}).setdefault(shots, {}).update(by_place)
        for name in chosen.learners:
            kinds = LEARNERS[name].kinds
            if kinds and found.train.kind.name not in kinds:
                continue
            assert isinstance(found.test, TaskRows)
            own = trained(found, name, chosen.seeds, budget, f"{label}-{fold}")
            if not own:
                common.say(f"{label}, fold {fold}: {name} diverged with every seed")
                continue
            for shots, by_place in test(own, name, found.test, budget.samples).items():
                values.setdefault(name, {}).setdefault(shots, {}).update(by_place)
            common.say(f"{label}, fold {fold}: {name} {means(values[name])}")
    return {name: against(own, values) for name, own in values.items()}


def means(by_shots: dict[int, dict[str, float]]) -> dict[int, float]:
    return {shots: round(float(np.mean(list(by.values()))), 4) for shots, by in by_shots.items()}


def against(
    own: dict[int, dict[str, float]], values: dict[str, dict[int, dict[str, float]]]
) -> dict[str, Any]:
    """Return a learner's figures, compared destination by destination."""
    made: dict[str, Any] = {
        str(shots): {"loss": mean, "destinations": len(own[shots])} for shots, mean in means(own).items()
    }
    for other in ("pooled", "scratch"):
        for shots in own if other in values else ():
            if shots not in values[other]:
                continue
            its = values[other][shots]
            places = sorted(its)
            made[str(shots)][f"minus_{other}"] = common.paired([own[shots][p] - its[p] for p in places])
        below = [s for s in own if made[str(s)].get(f"minus_{other}", {}).get("high", 1.0) < 0]
        made[f"beats_{other}_at"] = below
    return made


def table(found: dict[str, Any]) -> str:
    """Return the losses and the differences from the pooled network as a Markdown table."""
    lines = [
        "| label | learner | " + " | ".join(f"K = {s}" for s in SHOTS) + " | beats pooled at | scratch at |"
    ]
    lines.append("|---|---|" + "---|" * (len(SHOTS) + 2))
    for label, learners in found.items():
        for name, own in learners.items():
            cells = [cell(own.get(str(s))) for s in SHOTS]
            ends = [", ".join(map(str, own[f"beats_{other}_at"])) for other in ("pooled", "scratch")]
            lines.append(f"| {label} | {name} | " + " | ".join([*cells, *ends]) + " |")
    return "\n".join(lines) + "\n"


def cell(own: dict[str, Any] | None) -> str:
    if own is None:
        return ""
    text = f"{own['loss']:.3f}"
    other = own.get("minus_pooled")
    return text if other is None else f"{text} ({other['mean']:+.3f} ± {other['high'] - other['mean']:.3f})"


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--folds", type=int, default=3, help="at most 3")
    parser.add_argument("--iterations", type=int, default=1_500)
    parser.add_argument("--samples", type=int, default=8, help="samples of every test destination")
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=["late_arrival", "air_time"])
    parser.add_argument("--learners", nargs="+", choices=list(CHOICES), default=list(CHOICES))
    parser.add_argument("--cache", metavar="FOLDER", help="where trained learners lie; what is there is used")
    parser.add_argument("--table", metavar="FILE", help="write a Markdown table")
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.quick:
        chosen.seeds, chosen.folds, chosen.iterations, chosen.samples = 1, 1, 30, 2
    with tempfile.TemporaryDirectory() as temporary:
        budget = Budget(chosen.iterations, chosen.samples, Path(chosen.cache or temporary))
        found = {label: measure(chosen, label, budget) for label in chosen.labels}
    if chosen.table:
        Path(chosen.table).write_text(table(found), encoding="utf-8")
    spent = {"seeds": chosen.seeds, "folds": chosen.folds, "iterations": chosen.iterations}
    common.finish({**found, "budget": spent})


if __name__ == "__main__":
    main()
