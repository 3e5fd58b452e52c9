"""Distortions of images: small affine maps by chance, and the eight symmetries of the square."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from sharewise.errors import ConfigError

#: Quarter turns, then the same of the mirror image; each maps places in the result to places in the image.
SYMMETRIES = torch.tensor(
    [
        [[1, 0], [0, 1]],
        [[0, -1], [1, 0]],
        [[-1, 0], [0, -1]],
        [[0, 1], [-1, 0]],
        [[-1, 0], [0, 1]],
        [[0, 1], [1, 0]],
        [[1, 0], [0, -1]],
        [[0, -1], [-1, 0]],
    ],
    dtype=torch.float32,
)


@dataclass(frozen=True)
class Distortion:
    """How far an image may be distorted; every image gets numbers of its own, uniform up to these.

    Args:
        turn: degrees either way.
        shear: of columns along rows, as a share of the height.
        stretch: logarithm of the scale of each axis.
        shift: share of the side.
        symmetries: 1, or 4 for quarter turns, or 8 for mirror images too. One is drawn for a *task*, whose
            images it turns all alike: turned classes are classes of their own (as in Vinyals et al. 2016, who
            turn by quarters), and an alphabet that is turned is another alphabet.

    Raises:
        ConfigError: if a number cannot be one.
    """

    turn: float = 11.5
    shear: float = 0.2
    stretch: float = 0.18
    shift: float = 0.07
    symmetries: int = 1

    def __post_init__(self) -> None:
        for name, most in (("turn", 180.0), ("shear", 2.0), ("stretch", 2.0), ("shift", 1.0)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ConfigError(f"The distortion has {name} = {value}.", f"Use a number from 0 to {most}.")
        if self.symmetries not in (1, 4, 8):
            raise ConfigError(f"The distortion has {self.symmetries} symmetries.", "Use 1, 4 or 8.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def draw_symmetries(self, count: int, generator: torch.Generator) -> Int[Tensor, " count"]:
        """Draw one of the symmetries for each of `count` tasks."""
        return torch.randint(self.symmetries, (count,), generator=generator)

    def draw(
        self, symmetry: Int[Tensor, " images"], generator: torch.Generator
    ) -> Float[Tensor, "images 2 3"]:
        """Draw an affine map for each image, after its symmetry."""
        turn, shear, wide, high, right, down = 2 * torch.rand(6, len(symmetry), generator=generator) - 1
        angle = turn * self.turn * (torch.pi / 180)
        cosine, sine = angle.cos(), angle.sin()
        turned = torch.stack([cosine, -sine, sine, cosine], -1).view(-1, 2, 2)
        wide, high = (wide * self.stretch).exp(), (high * self.stretch).exp()
        sheared = torch.stack([wide, shear * self.shear, torch.zeros_like(wide), high], -1).view(-1, 2, 2)
        # Places run from -1 to 1, so that a share of the side is twice as much.
        shift = 2 * self.shift * torch.stack([right, down], -1).unsqueeze(-1)
        return SYMMETRIES[symmetry] @ torch.cat([turned @ sheared, shift], -1)


def warp(
    images: Float[Tensor, "images channels height width"], maps: Float[Tensor, "images 2 3"]
) -> Float[Tensor, "images channels height width"]:
    """Return images under affine maps, each place bilinear from where it came from, 0 from outside."""
    grid = F.affine_grid(maps.to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


#: No distortion at all.
STILL = Distortion(turn=0.0, shear=0.0, stretch=0.0, shift=0.0)
