"""What a learner says of itself is so, in both directions; and no learner learns from noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from sharewise.data.episodes import Condition, Episodes, EpisodeSource
from sharewise.errors import ConfigError, DataError
from sharewise.meta import LEARNERS, Learner
from sharewise.tasks import InputSpec, Kind
from sharewise.tasks.kinds import KINDS
from sharewise.testing.tasks_to_learn import (
    LearnerCase,
    assert_same,
    build,
    forecast_of,
    kinds_of,
    make_episodes,
)
from sharewise.train.meta import fit_learner
from sharewise.train.meta_options import MetaOptions


def first_case(name: str) -> LearnerCase:
    """Return a case of the first kind that the learner can learn."""
    kind = kinds_of(name)[0]
    return LearnerCase(name, kind, 2, 3 if kind == "multiclass" else 0)


def kinds_mean_kinds(name: str) -> None:
    """A learner is made for each of its `kinds`, and for no other of those built in."""
    for kind in ("binary", "multiclass", "regression", "count"):
        assert kind in KINDS, kind
        try:
            build(LearnerCase(name, kind, 2, 3 if kind == "multiclass" else 0))
        except ConfigError:
            assert kind not in kinds_of(name), f"{name} refuses {kind}"
        else:
            assert kind in kinds_of(name), f"{name} takes {kind}"


def any_ways_means_any_ways(name: str) -> None:
    """More ways than it was made for are read with `any_ways` and refused without; fewer never are."""
    if "multiclass" not in kinds_of(name):
        return
    few, many = (LearnerCase(name, "multiclass", 2, ways) for ways in (2, 4))
    learner, episodes = build(few), make_episodes(many)
    try:
        learner.check(episodes)
    except DataError:
        assert not LEARNERS[name].any_ways, name
    else:
        assert LEARNERS[name].any_ways, name
        assert forecast_of(learner, episodes).outputs.shape[-1] == 4, name
    learner, episodes = build(many), make_episodes(few)
    learner.check(episodes)
    assert learner.judge(episodes).losses.isfinite().all(), name


def stepwise_means_steps(name: str) -> None:
    """A number of steps changes what a stepwise learner predicts, and nothing else; none below 0."""
    learner, episodes = build(first_case(name)).eval(), make_episodes(first_case(name))
    with torch.no_grad():
        none, three = (learner.adapt(episodes.support, n)(episodes.query.inputs).outputs for n in (0, 3))
    assert torch.equal(none, three) != LEARNERS[name].stepwise, name
    if LEARNERS[name].stepwise:
        try:
            learner.adapt(episodes.support, -1)(episodes.query.inputs)
        except ConfigError:
            return
        raise AssertionError(f"{name} takes -1 steps")


def trained_means_trained(name: str) -> None:
    """Meta-training brings the loss down, or leaves a learner that is not trained as it was."""
    case = first_case(name)
    learner, episodes = build(case), make_episodes(case)
    before = {key: value.clone() for key, value in learner.state_dict().items()}
    first = float(learner.losses(forecast_of(learner, episodes), episodes.query).mean())
    options = MetaOptions(
        iterations=40, tasks_per_batch=len(episodes), eval_every=40, learning_rate=0.01, strategy="whole"
    )
    source = _Always(episodes, learner.spec.kind, learner.spec.inputs)
    fit_learner(learner, source, Condition(shots=case.shots, queries=4), options)
    learner.cpu()
    last = float(learner.losses(forecast_of(learner, episodes), episodes.query).mean())
    if LEARNERS[name].trained:
        assert last < first - 0.01, f"{name}: from {first:.3f} to {last:.3f}"
    else:
        assert all(torch.equal(value, before[key]) for key, value in learner.state_dict().items()), name


def traceable_means_no_look_at_values(name: str) -> None:
    """Where `judge` can be traced, it computes the same operations whatever the values are."""
    if not LEARNERS[name].traceable:
        return
    case = replace(first_case(name), padded=True)
    learner, episodes = build(case), make_episodes(case)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            learner.judge(episodes)
    except DataDependentOutputException as error:
        raise AssertionError(f"{case}: looks at a value") from error


def seeds_decide(name: str) -> None:
    """The same seed makes the same learner, another seed another; a state dict carries it over."""
    case = first_case(name)
    episodes = make_episodes(case)
    one, same, other = (build(case, seed).eval() for seed in (0, 0, 1))
    assert_same(forecast_of(one, episodes), forecast_of(same, episodes), name)
    if list(one.parameters()):
        found = forecast_of(other, episodes).outputs
        assert not torch.allclose(found, forecast_of(one, episodes).outputs), f"{name}: seeds do nothing"
    other.load_state_dict(one.state_dict())
    assert_same(forecast_of(one, episodes), forecast_of(other, episodes), name)


def bad_supports_are_refused(name: str) -> None:
    """Numbers that are none are refused by `check`."""
    case = first_case(name)
    learner, episodes = build(case), make_episodes(case)
    support = episodes.support
    numbers = torch.full_like(support.inputs["numeric"], float("nan"))
    for bad in (
        replace(support, inputs={**support.inputs, "numeric": numbers}),
        replace(support, targets=torch.full_like(support.targets, float("inf"))),
    ):
        assert _refuses(learner, replace(episodes, support=bad)), f"{name} takes a bad support set"


def from_nothing_means_from_nothing(name: str) -> None:
    """No rows, and rows that are all padding, are refused; or all of them give one and the same forecast."""
    case = first_case(name)
    learner, episodes = build(case).eval(), make_episodes(case)
    support = episodes.support
    nothing = torch.zeros_like(support.targets, dtype=torch.bool)
    found = []
    for empty in (support.first(0), replace(support, mask=nothing)):
        asked = replace(episodes, support=empty)
        assert _refuses(learner, asked) != learner.from_nothing, f"{name}: an empty support set"
        if learner.from_nothing:
            found.append(forecast_of(learner, asked))
            assert bool(found[-1].outputs.isfinite().all()), f"{name}: no forecast from nothing"
    if found:
        assert_same(found[0], found[1], name)


def _refuses(learner: Learner, episodes: Episodes) -> bool:
    try:
        learner.check(episodes)
    except DataError:
        return True
    return False


def noise_gives_chance(name: str) -> None:
    """Where labels have nothing to do with inputs, a learner is right as often as a guess.

    Its forecasts are made before the labels are drawn: `adapt` is told of no query label.
    """
    for kind in {"binary", "multiclass"} & set(kinds_of(name)):
        case = LearnerCase(name, kind, 2, 4 if kind == "multiclass" else 0)
        learner, episodes = build(case).eval(), make_episodes(case, tasks=300, queries=8)
        query = torch.rand(300, 8, generator=torch.Generator().manual_seed(1))
        targets = (query * (case.ways or 2)).floor().double()
        outputs = forecast_of(
            learner, replace(episodes, query=replace(episodes.query, targets=targets))
        ).outputs
        said = outputs.argmax(-1) if case.ways else (outputs[..., 0] > 0).long()
        share = float((said == targets).double().mean())
        # 2400 rows: a standard deviation is 0.01 at most.
        assert abs(share - 1 / (case.ways or 2)) < 0.05, f"{case}: {share:.3f} of noise is right"


LEARNER_CHECKS: dict[str, Callable[[str], None]] = {
    check.__name__: check
    for check in (
        kinds_mean_kinds,
        any_ways_means_any_ways,
        stepwise_means_steps,
        trained_means_trained,
        traceable_means_no_look_at_values,
        seeds_decide,
        bad_supports_are_refused,
        from_nothing_means_from_nothing,
        noise_gives_chance,
    )
}


@dataclass(frozen=True)
class _Always(EpisodeSource):
    """The same episodes, again and again."""

    episodes: Episodes
    kind: Kind
    inputs: InputSpec

    def check(self, condition: Condition) -> None:
        pass

    def sample(self, condition: Condition, count: int, generator: torch.Generator) -> Episodes:
        return self.episodes.take(torch.arange(count) % len(self.episodes))
