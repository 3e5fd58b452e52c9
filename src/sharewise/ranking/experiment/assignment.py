"""Who takes part in an experiment, and in which arm: BLAKE2b of its name and the user's id, nothing kept.

The first 64 bits of the hash, as a number from 0 to 1, say who takes part: those below the share of traffic.
So more traffic adds users and moves none. The next 64 bits say the arm, by the place among the cumulated
shares. Names of experiments make their hashes independent of each other; any other program that knows the
name computes the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sharewise.ranking.experiment.plan import ExperimentPlan

#: Bytes of the hash, and the number that half of them stay below.
BYTES, SPAN = 16, 2.0**64
#: Stands for users who do not take part.
OUTSIDE = -1


def arm_of(plan: ExperimentPlan, user: Any) -> str:
    """Return the arm of a user, "" if they do not take part; strangers, who have no id, never do.

    Example:
        >>> from sharewise.ranking.experiment import Arm, ExperimentPlan
        >>> plan = ExperimentPlan("blend", (Arm("old"), Arm("new")))
        >>> [arm_of(plan, user) for user in (1, 2, 3, "x", None)]
        ['old', 'new', 'old', 'old', '']
    """
    if user is None:
        return ""
    place = int(arms_of(plan, [user])[0])
    return "" if place == OUTSIDE else plan.arms[place].name


def arms_of(plan: ExperimentPlan, users: Sequence[Any]) -> NDArray[np.int64]:
    """Return the place of every user's arm in the plan, -1 for those who do not take part, ``[users]``."""
    taking_part, within = draws(plan.name, users)
    bounds = np.cumsum([arm.share for arm in plan.arms])
    arm = np.searchsorted(bounds / bounds[-1], within, side="right").clip(max=len(plan.arms) - 1)
    return np.where(taking_part < plan.traffic, arm, OUTSIDE)


def draws(name: str, users: Sequence[Any]) -> NDArray[np.float64]:
    """Return two independent numbers from 0 to 1 for every user, ``[2, users]``."""
    head = blake2b(f"{name}\0".encode(), digest_size=BYTES)
    digests = bytearray()
    for user in users:
        own = head.copy()
        own.update(str(user).encode())
        digests += own.digest()
    found: NDArray[np.float64] = np.frombuffer(bytes(digests), ">u8").reshape(-1, 2).T / SPAN
    return found
