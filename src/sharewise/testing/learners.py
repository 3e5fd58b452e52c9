"""The contract of learners, case by case: kinds, ways, shots, padding, normalisations of images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import product

import torch

from sharewise.data.episodes import Episodes
from sharewise.errors import ConfigError, DataError
from sharewise.meta import LEARNERS
from sharewise.meta.nets.norm import NORMS
from sharewise.streams import stream
from sharewise.testing.learner_flags import LEARNER_CHECKS
from sharewise.testing.tasks_to_learn import (
    CLOSE,
    TASKS,
    LearnerCase,
    assert_close,
    assert_same,
    bare,
    build,
    forecast_of,
    gradients_of,
    kinds_of,
    make_episodes,
    other_queries,
    taken,
)


def learner_cases(learners: Iterable[str] | None = None) -> list[LearnerCase]:
    """Return every learner x kind x ways x shots x {bare, padded support}; of all learners, by default."""
    return [
        LearnerCase(name, kind, shots, ways if kind == "multiclass" else 0, padded)
        for name in learners or LEARNERS
        for kind in kinds_of(name)
        for (shots, ways), padded in product(((1, 3), (3, 2)), (False, True))
    ]


def image_cases(learners: Iterable[str] | None = None) -> list[LearnerCase]:
    """Return every learner of classes x normalisation, on images."""
    names = [name for name in learners or LEARNERS if "multiclass" in kinds_of(name)]
    return [LearnerCase(name, "multiclass", 2, 3, norm=norm) for name, norm in product(names, NORMS)]


def check_learner(name: str) -> None:
    """Hold one learner of `LEARNERS` to the whole contract.

    Raises:
        AssertionError: if it breaks a rule, with the rule's name.
    """
    for check in LEARNER_CHECKS.values():
        check(name)
    for case in learner_cases([name]):
        for case_check in LEARNER_CASE_CHECKS.values():
            case_check(case)
    for case in image_cases([name]):
        images_are_read(case)


def forecasts_have_their_shape(case: LearnerCase) -> None:
    """``[tasks, rows, width]``, all finite; a variance ``[tasks, rows]`` above 0, of numbers alone."""
    learner, episodes = build(case).eval(), make_episodes(case)
    learner.check(episodes)
    forecast = forecast_of(learner, episodes)
    shape = (*episodes.query.targets.shape, learner.spec.width)
    assert forecast.outputs.shape == shape, f"{case}: {tuple(forecast.outputs.shape)} for {shape}"
    assert forecast.outputs.isfinite().all(), str(case)
    if forecast.variance is not None:
        assert case.kind == "regression", f"{case}: a variance"
        assert forecast.variance.shape == shape[:2], str(case)
        assert (forecast.variance > 0).all(), str(case)


def judging_gives_losses_and_gradients(case: LearnerCase) -> None:
    """A finite loss a task, and a finite gradient to every parameter of a learner that is trained."""
    learner, episodes = build(case), make_episodes(case)
    judged = learner.judge(episodes)
    for losses in judged:
        assert losses.shape == (TASKS,), f"{case}: {tuple(losses.shape)}"
        assert losses.isfinite().all(), str(case)
    if not learner.trained:
        return
    judged.surrogate.mean().backward()  # type: ignore[no-untyped-call]
    for name, parameter in learner.named_parameters():
        assert parameter.grad is not None, f"{case}: no gradient for {name}"
        assert parameter.grad.isfinite().all(), f"{case}: gradient of {name}"


def judging_is_adapting(case: LearnerCase) -> None:
    """What `judge` says of a learner in use is the loss of what `adapt` predicts."""
    learner, episodes = build(case).eval(), make_episodes(case)
    with torch.no_grad():
        judged = learner.judge(episodes).losses
    assert_close(judged, learner.losses(forecast_of(learner, episodes), episodes.query), str(case))


def padding_changes_nothing(case: LearnerCase) -> None:
    """Rows outside the mask change no forecast and no gradient."""
    if not case.padded:
        return
    learner, episodes = build(case), make_episodes(case)
    plain = Episodes(bare(episodes.support), episodes.query, episodes.ways)
    assert_same(forecast_of(learner, episodes), forecast_of(learner, plain), str(case))
    for one, other in zip(gradients_of(learner, episodes), gradients_of(learner, plain), strict=True):
        assert_close(one, other, f"{case}: gradient")


def tasks_do_not_touch(case: LearnerCase) -> None:
    """A task's forecast and loss are the same alone and in any batch, in any order."""
    learner, episodes = build(case).eval(), make_episodes(case)
    order = torch.tensor([2, 0])
    some = episodes.take(order)
    assert_same(forecast_of(learner, some), taken(forecast_of(learner, episodes), order), str(case))
    learner.train()
    assert_close(learner.judge(some).losses, learner.judge(episodes).losses[order], f"{case}: losses")


def support_order_means_nothing(case: LearnerCase) -> None:
    """A support set is a set."""
    learner, episodes = build(case).eval(), make_episodes(case)
    order = torch.randperm(episodes.support.rows, generator=stream(0, "order"))
    support = episodes.support
    turned = replace(
        support,
        inputs={key: value[:, order] for key, value in support.inputs.items()},
        targets=support.targets[:, order],
        mask=None if support.mask is None else support.mask[:, order],
    )
    assert_same(
        forecast_of(learner, replace(episodes, support=turned)), forecast_of(learner, episodes), str(case)
    )


def queries_do_not_see_each_other(case: LearnerCase) -> None:
    """A row's prediction does not depend on the other query rows, unless the learner is transductive."""
    learner, episodes = build(case).eval(), make_episodes(case)
    moved = forecast_of(
        learner, replace(episodes, query=replace(episodes.query, inputs=other_queries(episodes)))
    )
    found = forecast_of(learner, episodes)
    alone = {key: value[:, :1] for key, value in episodes.query.inputs.items()}
    with torch.no_grad():
        single = learner.adapt(episodes.support)(alone)
    for other in (moved, single):
        same = all(
            torch.allclose(a[:, 0], b[:, 0], atol=CLOSE, rtol=CLOSE)
            for a, b in zip(found, other, strict=True)
            if a is not None and b is not None
        )
        assert same != learner.transductive, f"{case}: transductive is {learner.transductive}"


LEARNER_CASE_CHECKS: dict[str, Callable[[LearnerCase], None]] = {
    check.__name__: check
    for check in (
        forecasts_have_their_shape,
        judging_gives_losses_and_gradients,
        judging_is_adapting,
        padding_changes_nothing,
        tasks_do_not_touch,
        support_order_means_nothing,
        queries_do_not_see_each_other,
    )
}


def images_are_read(case: LearnerCase) -> None:
    """With every normalisation a case's contract holds, or the learner refuses it, and padding with it."""
    try:
        learner = build(case)
    except ConfigError:
        assert case.norm == "running", f"{case}: refused"
        return
    forecasts_have_their_shape(case)
    judging_gives_losses_and_gradients(case)
    judging_is_adapting(case)
    support_order_means_nothing(case)
    queries_do_not_see_each_other(case)
    if case.norm != "running":  # where the batch's statistics are what tasks share
        tasks_do_not_touch(case)
    padded = replace(case, padded=True)
    try:
        padding_changes_nothing(padded)
    except DataError:
        assert case.norm not in ("group", "none"), f"{case}: padding refused"
    else:
        mixes = case.norm in ("support", "transductive", "running")
        assert not mixes or not list(learner.parameters()), f"{case}: padding counts"
