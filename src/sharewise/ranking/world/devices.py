"""Devices, and how far down a list is looked at on each: the true position bias.

The item in place k (from 1) is examined on device d with probability

    e_d(k) = floor_d + (1 - floor_d) * k ** -decay_d,

so the first place is always examined, and lower ones the less, the steeper the device.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharewise.ranking.world.draws import Floats


@dataclass(frozen=True)
class Device:
    """Where a list is shown.

    Attributes:
        name: in the log.
        share: of the requests.
        decay: of examination with position.
        floor: of examination, far down.
        length: what a video e times as long adds to the logit of a click.
    """

    name: str
    share: float
    decay: float
    floor: float
    length: float


DEVICES = (
    Device("phone", share=0.55, decay=0.9, floor=0.03, length=-0.3),
    Device("desktop", share=0.25, decay=0.5, floor=0.10, length=0.1),
    Device("tablet", share=0.10, decay=0.7, floor=0.05, length=0.0),
    Device("tv", share=0.10, decay=1.4, floor=0.02, length=0.4),
)


def examination(slate: int) -> Floats:
    """Return the probability that a place is examined, `[devices, slate]`."""
    position = np.arange(1, slate + 1)
    return np.stack([d.floor + (1 - d.floor) * position**-d.decay for d in DEVICES]).astype(np.float32)
