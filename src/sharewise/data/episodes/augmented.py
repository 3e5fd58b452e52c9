"""Augmented: the episodes of another source, with their images distorted by chance."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import torch
from torch import Tensor

from sharewise.data.episodes.condition import Condition
from sharewise.data.episodes.distort import Distortion, warp
from sharewise.data.episodes.shots import Episodes, Shots
from sharewise.data.episodes.source import EpisodeSource
from sharewise.errors import ConfigError


class Augmented(EpisodeSource):
    """Episodes of `source`, drawn as there, whose images are distorted.

    For training alone: what is judged should be as it is.

    Args:
        source: of episodes with images.
        distortion: how far.

    Raises:
        ConfigError: if the source has no images, or turned ones would be of another shape.
    """

    def __init__(self, source: EpisodeSource, distortion: Distortion = Distortion()) -> None:
        if not source.inputs.image:
            raise ConfigError("Only images can be distorted.", "Leave the distortion out.")
        _, height, width = source.inputs.image
        if distortion.symmetries > 1 and height != width:
            raise ConfigError(
                f"Images of {height} x {width} pixels cannot be turned by a quarter.", "Use symmetries = 1."
            )
        self.source, self.distortion = source, distortion
        self.kind, self.inputs, self.names = source.kind, source.inputs, source.names
        self.drawn_classes = source.drawn_classes

    def check(self, condition: Condition) -> None:
        self.source.check(condition)

    def ways(self, condition: Condition) -> int:
        return self.source.ways(condition)

    def sample(self, condition: Condition, count: int, generator: torch.Generator) -> Episodes:
        # The source draws first, so that its episodes do not depend on the distortion.
        drawn = self.source.sample(condition, count, generator)
        symmetry = self.distortion.draw_symmetries(count, generator)
        return replace(
            drawn,
            support=self._distort(drawn.support, symmetry, generator),
            query=self._distort(drawn.query, symmetry, generator),
        )

    def _distort(self, shots: Shots, symmetry: Tensor, generator: torch.Generator) -> Shots:
        images = shots.inputs["image"].flatten(0, 1)
        maps = self.distortion.draw(symmetry.repeat_interleave(shots.rows), generator)
        warped = torch.unflatten(warp(images, maps), 0, shots.targets.shape)
        return replace(shots, inputs={**shots.inputs, "image": warped})

    def digest(self) -> str:
        return sha256((self.source.digest() + repr(self.distortion)).encode()).hexdigest()
