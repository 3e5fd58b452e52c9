"""All strategies give the meta-gradient of `Whole`, whatever else was computed before in the process."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sharewise.data.episodes import Condition, Episodes, LabelledExamples, Sinusoids
from sharewise.errors import ConfigError
from sharewise.meta import Learner, NetOptions, Spec, make_learner
from sharewise.meta.strategy import Compiled, Strategy, Whole, make_strategy
from sharewise.streams import stream
from sharewise.tasks import InputSpec

SOURCE = Sinusoids()
SPEC = Spec(SOURCE.inputs, SOURCE.kind)
SMALL = NetOptions(hidden=(5,))


def episodes(shots: int = 4, tasks: int = 5, masked: bool = False) -> Episodes:
    found = next(SOURCE.batches(Condition(shots=shots, queries=3), tasks, 0, "strategy"))
    if not masked:
        return found
    mask = torch.arange(shots).expand(tasks, -1) < shots - 1
    return Episodes(replace(found.support, mask=mask), found.query)


def result(strategy: Strategy, batch: Episodes) -> tuple[Tensor, list[Tensor]]:
    strategy.learner.zero_grad()
    losses = strategy.backward(batch)
    return losses, [
        torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in strategy.learner.parameters()
    ]


def agrees(strategy: Strategy, batch: Episodes) -> None:
    losses, gradients = result(strategy, batch)
    expected, others = result(Whole(strategy.learner), batch)
    torch.testing.assert_close(losses, expected, atol=1e-5, rtol=1e-5)
    for one, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def learner(name: str = "maml", **options: object) -> Learner:
    return make_learner(name, SPEC, net=SMALL, **options)


@pytest.mark.parametrize("name", ["maml", "cavia", "imaml", "reptile", "maml_plus", "r2d2", "cnp"])
@pytest.mark.parametrize("strategy", ["loop", "chunks", "workers"])
def test_strategies_agree(strategy: str, name: str) -> None:
    made = make_strategy(strategy, learner(name), cores=2, tasks=5)
    try:
        agrees(made, episodes())
        agrees(made, episodes(masked=True))
    finally:
        made.close()


def test_progress_reaches_compiled_code() -> None:
    """MAML++ changes its loss on the way: by a buffer, which is an input of the code."""
    made = learner("maml_plus", steps=2)
    strategy = Compiled(made, backend="eager")
    first = result(strategy, episodes())[1]
    made.set_progress(1.0)
    agrees(strategy, episodes())
    assert not torch.allclose(first[0], result(strategy, episodes())[1][0])


def test_workers_gather_running_statistics() -> None:
    """Each copy sees its share of a batch; what they saw together is what evaluation normalises by."""
    images = LabelledExamples(
        InputSpec(image=(1, 4, 4)),
        {"image": torch.randn(40, 1, 4, 4, generator=stream(0, "images"))},
        torch.arange(40) % 4,
        "abcd",
    )
    condition = Condition(shots=2, queries=3, ways=2)
    made = make_learner("protonet", Spec.of(images, condition), net=NetOptions(channels=(4,)))
    before = {name: value.clone() for name, value in made.named_buffers()}
    strategy = make_strategy("workers", made, cores=2, tasks=4)
    strategy.backward(next(images.batches(condition, 4, 0, "train")))
    strategy.close()
    assert before
    assert not any(torch.equal(value, before[name]) for name, value in made.named_buffers())


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_compiled_agrees() -> None:
    notes: list[str] = []
    agrees(make_strategy("compiled", learner(), note=notes.append), episodes())
    assert not any("did not work" in note for note in notes)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="workers"):
        make_strategy("worker", learner())
