"""The table on the split of Vinyals et al.: learners by ways and shots, a budget of minutes for each cell."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from sharewise.data.episodes import Condition, EpisodeSource, LabelledExamples, omniglot
from sharewise.meta import Learner, Spec, make_learner
from sharewise.meta.gradient import GradientLearner
from sharewise.train.meta import fit_learner
from sharewise.train.meta_evaluate import evaluate_learner
from sharewise.train.meta_options import MetaOptions

#: Accuracy in percent in the papers, by (ways, shots).
PUBLISHED: dict[str, dict[tuple[int, int], float]] = {
    "maml": {(5, 1): 98.7, (5, 5): 99.9, (20, 1): 95.8, (20, 5): 98.9},
    "maml_first_order": {(5, 1): 98.3, (5, 5): 99.2, (20, 1): 89.4, (20, 5): 97.9},
    "reptile": {(5, 1): 97.7, (5, 5): 99.5, (20, 1): 89.4, (20, 5): 97.1},
    "imaml": {(5, 1): 99.5, (5, 5): 99.7, (20, 1): 96.2, (20, 5): 99.1},
    "protonet": {(5, 1): 98.8, (5, 5): 99.7, (20, 1): 96.0, (20, 5): 98.9},
}


@dataclass(frozen=True)
class Entry:
    """A line of the table.

    Attributes:
        learner: of `sharewise.meta.LEARNERS`.
        options: of the learner.
        rate: of the outer loop.
        optimizer: of it.
        ways: in training, in place of those asked for: ProtoNet's paper trains with 60. One training answers
            for all ways then, and is validated with VALID_WAYS.
        queries: of a class in training.
        tasks: episodes of a step of 5 ways; half as many of 20, where steps are dearer.
    """

    learner: str
    options: dict[str, Any]
    rate: float = 1e-3
    optimizer: str = "adam"
    ways: int | None = None
    queries: int = 5
    tasks: int = 4


#: Outer rates other than 1e-3, and the inner rates and steps of first order, `anil` and `reptile`, were best
#: on validation classes after a minute and a half of a core, 5-way 1-shot, of two or three that were tried.
#: For `imaml` and `cnp` others were tried and lost; of `anp`, the transformer and the baselines none were.
#: MAML's inner rate and step are its paper's for 5 ways, ProtoNet's entry is its paper's.
ENTRIES: dict[str, Entry] = {
    "maml": Entry("maml", {"rate": 0.4}, rate=3e-3),
    "maml_first_order": Entry("maml", {"steps": 5, "rate": 0.1, "second_order": False}, rate=3e-3),
    "maml_plus": Entry("maml_plus", {"rate": 0.1}, rate=3e-3),
    "anil": Entry("anil", {"steps": 5, "rate": 0.1}, rate=3e-3),
    "meta_sgd": Entry("meta_sgd", {"rate": 0.1}, rate=3e-3),
    "cavia": Entry("cavia", {"context": 100, "rate": 10.0, "steps": 2}, rate=3e-3),
    "reptile": Entry("reptile", {"rate": 0.1}),
    "imaml": Entry("imaml", {}),
    "protonet": Entry("protonet", {}, ways=60, tasks=1),
    "matching": Entry("matching", {}, rate=3e-3, tasks=1, queries=15),
    "r2d2": Entry("r2d2", {}, rate=3e-3, tasks=1, queries=15),
    "cnp": Entry("cnp", {}),
    "anp": Entry("anp", {}),
    "transformer": Entry("transformer", {}),
    "scratch": Entry("scratch", {}),
    "pooled": Entry("pooled", {}),
    "fine_tuned": Entry("fine_tuned", {}),
    "centroid": Entry("centroid", {}),
}
#: Ways of the validation episodes of those that are trained with ways of their own.
VALID_WAYS = 20
#: Most evaluations on the validation classes in a training; a tenth of the budget is for them, and as much
#: again for choosing the steps of adaptation.
LOOKS, SHARE = 10, 0.1
#: Episodes of such an evaluation, and of the one whose time tells the price.
VALID_EPISODES, TRIAL_EPISODES = 100, 5
#: Steps whose time tells how many fit into the budget.
TRIAL = 5
#: Steps of adaptation beside those of the training, of which the validation classes choose; those that go
#: over so many rows at most, as 600 test episodes are to be affordable.
STEPS, ROWS = (3, 5, 10, 20, 50), 500


@dataclass(frozen=True)
class Budget:
    """What a training may cost.

    Attributes:
        minutes: of the process's own time on all cores; of the clock where a GPU computes.
        device: of PyTorch.
    """

    minutes: float
    device: str = "cpu"

    def now(self) -> float:
        """Return the seconds spent so far, from a beginning of no meaning."""
        return time.process_time() if self.device == "cpu" else time.perf_counter()


def cell(
    name: str, ways: int, shots: int, budget: Budget, episodes: int, seed: int, folder: Path | None
) -> dict[str, Any]:
    """Train and test a learner, for as many steps as fit into the budget.

    Returns:
        its accuracy in percent with an interval over episodes, the steps of training and of adaptation,
        minutes spent on these and the choice of them, and the published figure.
    """
    entry, parts = ENTRIES[name], _parts()
    if ways > 5:
        entry = replace(entry, tasks=max(entry.tasks // 2, 1))
    test = Condition(shots=shots, queries=15, ways=ways)
    train = Condition(shots=shots, queries=entry.queries, ways=entry.ways or ways)
    valid = replace(test, ways=VALID_WAYS if entry.ways else ways)
    learner, options, run = _make(entry, train, parts["train"], seed).to(budget.device), {}, None
    adapting = None
    began = budget.now()
    if learner.trained:
        # A trial finds the price of a step and of an evaluation; its weights are thrown away.
        trial = _make(entry, train, parts["train"], seed)
        run = None if folder is None else folder / f"vinyals-{name}-{entry.ways or ways}-{shots}-{seed}"
        steps = int(_kept(run, "steps", lambda: _affordable(trial, entry, train, parts["train"], budget)))
        looks = int(_kept(run, "looks", lambda: _looks(trial, parts["valid"], valid, budget)))
        fitted = fit_learner(
            learner,
            parts["train"],
            train,
            _options(entry, steps, seed, budget.device, looks),
            valid=parts["valid"],
            valid_condition=valid,
            folder=run,
        )
        options = {"steps": fitted.steps, "best_step": fitted.best_step}
        if isinstance(learner, GradientLearner) and learner.stepwise:
            choose = partial(_best_steps, learner, parts["valid"], valid, budget)
            adapting = int(_kept(run, "adapting", choose))
    spent = _kept(run, "spent", lambda: budget.now() - began)
    found = evaluate_learner(learner, parts["test"], test, episodes=episodes, steps=adapting, seed=seed)
    summary = found.summary()
    return {
        "accuracy_percent": 100 * summary["mean"],
        "low": 100 * summary["low"],
        "high": 100 * summary["high"],
        "episodes": summary["episodes"],
        "minutes": spent / 60,
        "published": PUBLISHED.get(name, {}).get((ways, shots)),
        "adaptation_steps": adapting,
        **options,
    }


def _kept(run: Path | None, name: str, value: Callable[[], float]) -> float:
    """Return what a file of a run says; where there is none, the value, which is written there."""
    if run is None:
        return value()
    file = run / name
    if not file.exists():
        run.mkdir(parents=True, exist_ok=True)
        file.write_text(str(value()), encoding="utf-8")
    return float(file.read_text(encoding="utf-8"))


@cache
def _parts() -> dict[str, LabelledExamples]:
    return omniglot.sources("vinyals")


def _make(entry: Entry, train: Condition, source: EpisodeSource, seed: int) -> Learner:
    spec = Spec(source.inputs, source.kind, train.most_ways, len(source.names))
    return make_learner(entry.learner, spec, seed=seed, **entry.options)


def _options(entry: Entry, steps: int, seed: int, device: str, looks: int = 1) -> MetaOptions:
    return MetaOptions(
        iterations=steps,
        tasks_per_batch=entry.tasks,
        learning_rate=entry.rate,
        optimizer=entry.optimizer,
        schedule="cosine",
        eval_every=-(-steps // looks),
        eval_episodes=VALID_EPISODES,
        seed=seed,
        device=device,
    )


def _affordable(
    learner: Learner, entry: Entry, train: Condition, source: EpisodeSource, budget: Budget
) -> int:
    spent = []
    for _ in range(2):  # the first warms up
        began = budget.now()
        fit_learner(learner, source, train, _options(entry, TRIAL, 0, budget.device))
        spent.append(budget.now() - began)
    return max(int((1 - SHARE) * 60 * budget.minutes / (spent[1] / TRIAL)), 1)


def _looks(learner: Learner, source: EpisodeSource, valid: Condition, budget: Budget) -> int:
    learner.to(budget.device)
    evaluate_learner(learner, source, valid, episodes=1)  # warms up
    began = budget.now()
    evaluate_learner(learner, source, valid, episodes=TRIAL_EPISODES)
    price = (budget.now() - began) * VALID_EPISODES / TRIAL_EPISODES
    return min(max(int(SHARE * 60 * budget.minutes / price), 1), LOOKS)


def _best_steps(learner: GradientLearner, source: EpisodeSource, valid: Condition, budget: Budget) -> int:
    """Return the steps of adaptation that are best on validation episodes; of equals, those of training."""
    rows = valid.most_ways * valid.most_shots
    others = [steps for steps in STEPS if steps * rows <= ROWS and steps != learner.steps]

    def best(episodes: int) -> int:
        def score(steps: int) -> float:
            found = evaluate_learner(learner, source, valid, episodes=episodes, steps=steps, name="steps")
            return found.score

        return max((learner.steps, *others), key=score)

    began = budget.now()
    found = best(TRIAL_EPISODES)
    affordable = int(TRIAL_EPISODES * SHARE * 60 * budget.minutes / (budget.now() - began))
    return best(min(affordable, VALID_EPISODES)) if affordable > TRIAL_EPISODES else found
