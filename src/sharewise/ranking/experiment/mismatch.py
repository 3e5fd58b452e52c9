"""Sample-ratio mismatch: whether arms have as many users as their shares say, at every look together.

If they have not, users were lost or moved on the way, and nothing else can be believed (Fabijan et al., KDD
2019). The evidence is the probability of the counts under shares drawn from a Dirichlet distribution around
the planned ones, over that under the planned ones: a martingale without mismatch, so that it ever reaches
1/α with probability α at most (Lindon & Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS
2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

#: How closely the Dirichlet's shares lie around the planned ones.
CONCENTRATION = 100.0


def mismatch_p(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return the inverse of the evidence, at most 1; the p-value at a look is the least up to it.

    Args:
        counts: users of each arm.
        shares: that were planned, in any unit.

    Example:
        >>> mismatch_p([5000, 5000], [1, 1]), mismatch_p([5000, 4500], [1, 1]) < 0.001
        (1.0, True)
    """
    n = np.asarray(counts, np.float64)
    planned = np.asarray(shares, np.float64)
    planned = planned / planned.sum()
    prior = CONCENTRATION * planned
    mixed = (
        gammaln(prior.sum()) - gammaln(prior.sum() + n.sum()) + (gammaln(prior + n) - gammaln(prior)).sum()
    )
    return math.exp(-max(float(mixed - n @ np.log(planned)), 0.0))
