"""All strategies give the meta-gradient of `Whole`, whatever else was computed before in the process."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sharewise.data.episodes import Condition, Episodes, LabelledExamples, Sinusoids
from sharewise.errors import ConfigError
from sharewise.meta import LEARNERS, Learner, NetOptions, OwnNet, Spec, make_learner
from sharewise.meta.strategy import Chunks, Compiled, Strategy, Whole, Workers, make_strategy
from sharewise.streams import stream
from sharewise.tasks import InputSpec

SOURCE = Sinusoids()
SPEC = Spec(SOURCE.inputs, SOURCE.kind)
SMALL = NetOptions(hidden=(5,))
PICTURES = LabelledExamples(
    InputSpec(image=(1, 4, 4)),
    {"image": torch.randn(40, 1, 4, 4, generator=stream(0, "images"))},
    torch.arange(40) % 4,
    "abcd",
)


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


@pytest.mark.parametrize("name", [n for n, one in LEARNERS.items() if one.trained and n != "protonet"])
@pytest.mark.parametrize("strategy", ["loop", "chunks", "workers"])
def test_strategies_agree(strategy: str, name: str) -> None:
    made = make_strategy(strategy, learner(name), cores=2, tasks=5)
    try:
        agrees(made, episodes())
        agrees(made, episodes(masked=True))
    finally:
        made.close()


@pytest.mark.parametrize("name", ["maml", "anil", "cavia", "reptile", "protonet", "matching", "r2d2"])
@pytest.mark.parametrize("strategy", ["loop", "chunks", "workers"])
def test_strategies_agree_on_images(strategy: str, name: str) -> None:
    condition = Condition(shots=2, queries=3, ways=2)
    net = NetOptions(channels=(4, 4), norm="support")
    made = make_learner(name, Spec.of(PICTURES, condition), net=net)
    found = make_strategy(strategy, made, cores=2, tasks=5)
    try:
        agrees(found, next(PICTURES.batches(condition, 5, 0, "train")))
    finally:
        found.close()


@pytest.mark.parametrize("tasks", [1, 3])
def test_more_workers_than_episodes(tasks: int) -> None:
    made = make_strategy("workers", learner(), cores=4, tasks=4)
    try:
        agrees(made, episodes(tasks=4))
        agrees(made, episodes(tasks=tasks))
    finally:
        made.close()


def test_networks_of_ones_own_are_run_by_what_they_are_made_of() -> None:
    """Stacked convolutions are slow on a CPU, stacked perceptrons are not; threads might draw chance."""
    condition = Condition(shots=2, queries=3, ways=2)
    parts = nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)
    found = {
        type(
            make_strategy(
                "auto",
                make_learner("maml", Spec.of(PICTURES, condition), net=OwnNet(nn.Sequential(*own), 2)),
                cores=2,
                tasks=4,
            )
        )
        for own in (parts, (nn.Flatten(), nn.Linear(16, 2)))
    }
    assert found == {Chunks, Whole}
    made = make_learner("maml", Spec.of(PICTURES, condition), net=NetOptions(channels=(4,)))
    assert type(make_strategy("auto", made, cores=2, tasks=4)) is Workers


def test_drop_out_is_drawn_in_one_thread() -> None:
    condition = Condition(shots=2, queries=3, ways=2)
    own = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(12, 2))
    made = make_learner("maml", Spec.of(PICTURES, condition), net=OwnNet(own, 2))
    assert type(make_strategy("auto", made, cores=2, tasks=4)) is Chunks
    with pytest.raises(ConfigError, match="could not be repeated"):
        make_strategy("workers", made, cores=2, tasks=4)


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
    condition = Condition(shots=2, queries=3, ways=2)
    made = make_learner("protonet", Spec.of(PICTURES, condition), net=NetOptions(channels=(4,)))
    before = {name: value.clone() for name, value in made.named_buffers()}
    told: list[str] = []
    strategy = make_strategy("workers", made, cores=2, tasks=4, note=told.append)
    strategy.backward(next(PICTURES.batches(condition, 4, 0, "train")))
    strategy.close()
    assert before
    assert any("running statistics" in text for text in told)
    assert not any(torch.equal(value, before[name]) for name, value in made.named_buffers())


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_compiled_agrees() -> None:
    notes: list[str] = []
    agrees(make_strategy("compiled", learner(), note=notes.append), episodes())
    assert not any("did not work" in note for note in notes)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="workers"):
        make_strategy("worker", learner())
