"""A compiled meta-gradient is that of the learner and the batch at hand, whatever was compiled before."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sharewise.data.episodes import Condition, Episodes, LabelledExamples
from sharewise.data.episodes.functions import Sinusoids
from sharewise.meta import Learner, NetOptions, Spec, make_learner
from sharewise.meta.strategy import Compiled, Strategy, Whole
from sharewise.streams import stream
from sharewise.tasks import InputSpec

SOURCE = Sinusoids()
SPEC = Spec(SOURCE.inputs, SOURCE.kind)


def episodes(shots: int = 6, seed: int = 0) -> Episodes:
    return SOURCE.sample(Condition(shots=shots, queries=4), 3, stream(seed, "test"))


def gradient(strategy: Strategy, batch: Episodes) -> tuple[Tensor, list[Tensor]]:
    strategy.learner.zero_grad()
    losses = strategy.backward(batch)
    return losses, [p.grad.clone() for p in strategy.learner.parameters() if p.grad is not None]


def assert_same(learner: Learner, compiled: Compiled, batch: Episodes) -> None:
    losses, own = gradient(compiled, batch)
    expected, its = gradient(Whole(learner), batch)
    torch.testing.assert_close(losses, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(own, its, rtol=1e-4, atol=1e-3)


def traced(learner: Learner, notes: list[str] | None = None) -> Compiled:
    # All of it but code generation, which takes most of the time.
    return Compiled(learner, (notes if notes is not None else []).append, backend="aot_eager")


def test_learners_that_differ_in_a_number_alone_are_told_apart() -> None:
    notes: list[str] = []
    for steps, rate in ((1, 0.01), (2, 0.05)):
        learner = make_learner("maml", SPEC, steps=steps, rate=rate)
        assert_same(learner, traced(learner, notes), episodes())
    assert not any("did not work" in note for note in notes)


def test_a_batch_with_a_mask_is_not_computed_as_one_without() -> None:
    learner = make_learner("maml", SPEC)
    compiled, batch = traced(learner), episodes()
    mask = torch.ones(3, 6, dtype=torch.bool)
    mask[:, 4:] = False
    masked = replace(batch, support=replace(batch.support, mask=mask))
    for each in (batch, masked, batch):
        assert_same(learner, compiled, each)


def test_many_kinds_of_batches_are_computed_without_compiling() -> None:
    learner = make_learner("cnp", SPEC, width=8)
    notes: list[str] = []
    compiled = traced(learner, notes)
    for shots in range(1, 7):
        assert_same(learner, compiled, episodes(shots))
    assert len(notes) == 4


def test_a_compiler_that_fails_is_told_of_and_done_without() -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("no")

    learner = make_learner("maml", SPEC)
    notes: list[str] = []
    compiled = Compiled(learner, notes.append, backend=broken)
    for seed in range(2):
        assert_same(learner, compiled, episodes(seed=seed))
    assert len([note for note in notes if "did not work" in note]) == 1


@pytest.mark.parametrize(
    ("name", "norm"), [("maml", "support"), ("maml", "transductive"), ("cavia", "support"), ("cnp", "auto")]
)
def test_convolutions_are_traced_too(name: str, norm: str) -> None:
    pixels = torch.rand(40, 1, 8, 8, generator=stream(0, "images"))
    source = LabelledExamples(
        InputSpec(image=(1, 8, 8)), {"image": pixels}, torch.arange(40) // 8, list("abcde")
    )
    condition = Condition(shots=2, queries=2, ways=3)
    learner = make_learner(name, Spec.of(source, condition), net=NetOptions(channels=(4, 6), norm=norm))
    notes: list[str] = []
    compiled = traced(learner.train(), notes)
    assert_same(learner, compiled, source.sample(condition, 3, stream(0, "test")))
    assert not any("did not work" in note for note in notes)
