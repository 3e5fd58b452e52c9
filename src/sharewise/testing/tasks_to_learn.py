"""Small made-up episodes of every kind of label, for the contract suite of learners."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sharewise.data.episodes import Episodes, Shots
from sharewise.meta import LEARNERS, Forecast, Learner, NetOptions, Spec, make_learner, options_of
from sharewise.streams import stream
from sharewise.tasks import InputSpec
from sharewise.tasks.kinds import make_kind
from sharewise.testing.toys import make_labels

TASKS, QUERIES, PADDING = 3, 4, 2
CLOSE = 1e-8
COLUMNS = InputSpec(cardinalities=(4,), bins=((-1.0, 1.0), (-1.0, 1.0)))
IMAGES = InputSpec(image=(1, 6, 6))
#: What learners are made of here, where they have such an option.
TINY = {"steps": 2, "width": 8, "heads": 2, "depth": 2, "context": 3, "rate": 0.05, "inner_batch": 4}


@dataclass(frozen=True)
class LearnerCase:
    """A learner on tasks of a kind.

    Attributes:
        learner: a name of `LEARNERS`.
        kind: a name of `KINDS`.
        shots: examples of a task; of every class where there are classes.
        ways: classes of a task; 0 where there are none.
        padded: the support sets have rows that are none.
        norm: normalisation of images' features; "" for columns in place of images.
    """

    learner: str
    kind: str
    shots: int
    ways: int = 0
    padded: bool = False
    norm: str = ""

    def __str__(self) -> str:
        parts = [self.learner, self.kind, f"{self.shots}shot"]
        parts += [f"{self.ways}way"] * (self.ways > 0) + ["padded"] * self.padded
        return "-".join([*parts, self.norm] if self.norm else parts)


def spec_of(case: LearnerCase) -> Spec:
    """Return what the learner of a case is told of its episodes."""
    return Spec(IMAGES if case.norm else COLUMNS, make_kind(case.kind), case.ways)


def build(case: LearnerCase, seed: int = 0) -> Learner:
    """Return a tiny learner in float64, so that rounding hides nothing."""
    options = {key: value for key, value in TINY.items() if key in options_of(case.learner)}
    net = NetOptions(hidden=(6,), channels=(4, 4), norm=case.norm or "auto", embedding=3)
    return make_learner(case.learner, spec_of(case), seed=seed, net=net, **options).double()


def make_episodes(case: LearnerCase, tasks: int = TASKS, queries: int = QUERIES, seed: int = 0) -> Episodes:
    """Return episodes whose labels have nothing to do with the inputs."""
    classes = case.ways or (2 if case.kind == "binary" else 0)
    rows = case.shots * max(classes, 1)
    support = _rows(case, tasks, rows, seed, "support")
    if classes:  # as many of each class, in an order of each task's own
        order = torch.rand(tasks, rows, generator=stream(seed, "learners", "order")).argsort(1)
        support = replace(support, targets=(order % classes).to(support.targets.dtype))
    query = _rows(case, tasks, queries, seed, "query")
    return Episodes(pad(support) if case.padded else support, query, ways=case.ways)


def pad(support: Shots) -> Shots:
    """Return the support sets with rows that are none, at other places in every task, full of nonsense."""
    tasks, rows = support.targets.shape
    place = torch.arange(rows + PADDING).expand(tasks, -1)
    first = torch.arange(tasks).unsqueeze(1) % (rows + 1)
    mask = (place < first) | (place >= first + PADDING)
    index = (mask.long().cumsum(1) - 1).clamp(min=0)
    task = torch.arange(tasks).unsqueeze(1)
    inputs = {key: _nonsense(value[task, index], mask) for key, value in support.inputs.items()}
    return Shots(inputs, torch.where(mask, support.targets[task, index], float("nan")), mask)


def bare(support: Shots) -> Shots:
    """Undo `pad`."""
    if support.mask is None:
        return support
    shape = len(support), -1
    inputs = {key: torch.unflatten(value[support.mask], 0, shape) for key, value in support.inputs.items()}
    return Shots(inputs, torch.unflatten(support.targets[support.mask], 0, shape))


def kinds_of(learner: str) -> list[str]:
    """Return the kinds of label that a learner says it can learn."""
    every = ("binary", "multiclass", "regression", "count")
    return [kind for kind in every if not LEARNERS[learner].kinds or kind in LEARNERS[learner].kinds]


def _rows(case: LearnerCase, tasks: int, rows: int, seed: int, name: str) -> Shots:
    generator = stream(seed, "learners", name)
    inputs: dict[str, Tensor]
    if case.norm:
        inputs = {"image": torch.randn(tasks, rows, *IMAGES.image or (), generator=generator).double()}
    else:
        inputs = {
            "categorical": torch.randint(0, 4, (tasks, rows, 1), generator=generator),
            "numeric": torch.randn(tasks, rows, 2, generator=generator).double(),
        }
    if case.ways:
        targets = torch.randint(0, case.ways, (tasks, rows), generator=generator)
    else:
        targets = make_labels(make_kind(case.kind), (tasks, rows), seed + len(name))
    return Shots(inputs, targets.double())


def _nonsense(value: Tensor, mask: Tensor) -> Tensor:
    there = mask.view(*mask.shape, *[1] * (value.dim() - 2))
    return torch.where(there, value, torch.full_like(value, 3))


def forecast_of(learner: Learner, episodes: Episodes) -> Forecast:
    """Return what a learner predicts, without a graph."""
    with torch.no_grad():
        return learner.adapt(episodes.support)(episodes.query.inputs)


def other_queries(episodes: Episodes) -> dict[str, Tensor]:
    """Return the query inputs with all rows but the first changed."""
    changed = {}
    for key, value in episodes.query.inputs.items():
        other = (value + 1) % 4 if key == "categorical" else -2 * value + 1
        changed[key] = torch.cat([value[:, :1], other[:, 1:]], 1)
    return changed


def gradients_of(learner: Learner, episodes: Episodes) -> list[Tensor]:
    """Return the meta-gradient; of nothing where nothing is trained."""
    if not learner.trained:
        return []
    total = learner.judge(episodes).surrogate.mean()
    return list(torch.autograd.grad(total, list(learner.parameters()), materialize_grads=True))


def taken(forecast: Forecast, order: Tensor) -> Forecast:
    """Return the forecast of some of the tasks."""
    variance = None if forecast.variance is None else forecast.variance[order]
    return Forecast(forecast.outputs[order], variance)


def assert_same(one: Forecast, other: Forecast, what: str) -> None:
    """Raise AssertionError unless forecasts are equal up to rounding."""
    assert_close(one.outputs, other.outputs, what)
    if one.variance is not None and other.variance is not None:
        assert_close(one.variance, other.variance, f"{what}: variance")


def assert_close(one: Tensor, other: Tensor, what: str) -> None:
    """Raise AssertionError unless tensors are equal up to rounding."""
    assert one.shape == other.shape, f"{what}: shapes {tuple(one.shape)} and {tuple(other.shape)}"
    off = (one - other).abs().max()
    assert torch.allclose(one, other, atol=CLOSE, rtol=CLOSE), f"{what}: off by {off:.2g}"
