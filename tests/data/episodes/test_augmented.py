"""Distorted images: the same episodes, turned alike within a task, and a maximum that is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sharewise.data.episodes import Augmented, Condition, Distortion, LabelledExamples, Sinusoids
from sharewise.data.episodes.distort import STILL, SYMMETRIES, warp
from sharewise.errors import ConfigError
from sharewise.streams import stream
from sharewise.tasks import InputSpec


def examples(side: int = 8, wide: int = 8) -> LabelledExamples:
    """Ten classes of six images of noise."""
    images = torch.rand(60, 1, side, wide, generator=stream(0, "images"))
    labels = torch.arange(10).repeat_interleave(6)
    return LabelledExamples(
        InputSpec(image=(1, side, wide)), {"image": images}, labels, [str(i) for i in range(10)]
    )


def draw(source: Augmented | LabelledExamples) -> Tensor:
    episodes = source.sample(Condition(shots=1, queries=2, ways=4), 5, stream(1, "episodes"))
    return torch.cat([episodes.support.inputs["image"], episodes.query.inputs["image"]], 1)


def every_symmetry(images: Tensor) -> list[Tensor]:
    return [torch.rot90(x, n, (-2, -1)) for x in (images, images.flip(-1)) for n in range(4)]


def test_no_distortion_leaves_episodes_as_they_are() -> None:
    assert torch.allclose(draw(Augmented(examples(), STILL)), draw(examples()), atol=1e-5)


def test_distorted_episodes_are_the_sources() -> None:
    condition = Condition(shots=2, queries=2, ways=3)
    own = Augmented(examples(), Distortion(symmetries=8)).sample(condition, 4, stream(2, "a"))
    plain = examples().sample(condition, 4, stream(2, "a"))
    assert own.classes is not None
    assert plain.classes is not None
    assert torch.equal(own.classes, plain.classes)
    assert not torch.allclose(own.support.inputs["image"], plain.support.inputs["image"], atol=0.01)


def test_symmetries_are_the_eight_of_the_square() -> None:
    image = torch.rand(1, 1, 8, 8, generator=stream(3, "image"))
    maps = torch.cat([SYMMETRIES, torch.zeros(8, 2, 1)], -1)
    found = warp(image.expand(8, -1, -1, -1), maps)
    expected = every_symmetry(image[0])
    assert {min(range(8), key=lambda n: float((x - expected[n]).abs().max())) for x in found} == set(range(8))
    for x in found:
        assert min(float((x - y).abs().max()) for y in expected) < 1e-5


def test_a_task_is_turned_as_a_whole() -> None:
    found, plain = draw(Augmented(examples(), replace(STILL, symmetries=8))), draw(examples())
    chosen = []
    for task, before in zip(found, plain, strict=True):
        gaps = [float((task - turned).abs().max()) for turned in every_symmetry(before)]
        assert min(gaps) < 1e-5
        chosen.append(gaps.index(min(gaps)))
    assert len(set(chosen)) > 1


def test_batches_do_not_depend_on_where_a_run_resumes() -> None:
    source, condition = Augmented(examples()), Condition(shots=1, queries=1, ways=3)
    batches = source.batches(condition, 2, 0, "train")
    first = [next(batches) for _ in range(4)]
    again = next(source.batches(condition, 2, 0, "train", start=3))
    assert torch.equal(first[3].query.inputs["image"], again.query.inputs["image"])


def test_shifts_stay_within_their_bound() -> None:
    maps = Distortion(turn=0, shear=0, stretch=0, shift=0.1).draw(torch.zeros(999).long(), stream(0, "m"))
    assert float(maps[:, :, 2].abs().max()) <= 0.2
    assert float(maps[:, :, 2].abs().max()) > 0.19
    assert torch.equal(maps[:, :, :2], torch.eye(2).expand(999, 2, 2))


def test_digests_tell_distortions_apart() -> None:
    assert Augmented(examples(), STILL).digest() != Augmented(examples(), Distortion()).digest()


def test_what_cannot_be_distorted_is_refused() -> None:
    with pytest.raises(ConfigError, match="images"):
        Augmented(Sinusoids())
    with pytest.raises(ConfigError, match="8 x 6"):
        Augmented(examples(8, 6), Distortion(symmetries=4))
    with pytest.raises(ConfigError, match="symmetries"):
        Distortion(symmetries=3)
    with pytest.raises(ConfigError, match="shift"):
        Distortion(shift=-0.1)
