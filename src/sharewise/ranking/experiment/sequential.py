"""Intervals and p-values that hold at every look together, however often one looks and whenever one stops.

An estimate d of the effect δ has variance V at a look. Its precision 1/V grows from look to look, and d/V
moves like a Brownian motion with drift δ in the time 1/V: what an efficient estimate gains is independent of
what it had (Scharfstein, Tsiatis & Robins, JASA 1997); users who are seen again and again do not change
that, as long as what they add varies around a mean of their own. Against δ = 0 the likelihood ratio, mixed
over δ ~ N(0, φ), is

    Λ = sqrt(V / (V + φ)) · exp(φ d² / (2 V (V + φ))),

a martingale without an effect, so that Λ ever reaches 1/α with probability α at most (Ville; Robbins, Annals
of Mathematical Statistics 1970). That is the mixture sequential probability ratio test of Johari, Koomen,
Pekelis & Walsh ("Always Valid Inference", Operations Research 2022): p = min 1/Λ over the looks, and

    |d - δ| < sqrt(V (V + φ) / φ · log((V + φ) / (V α²)))    at all looks, with probability 1 - α.

φ, the variance of effects one expects, must not depend on what they turn out to be. Intervals are narrowest
where V is φ / 10; with a φ a hundred times too large they are a fifth wider, ten times too small a fifth, a
hundred times too small nearly three times as wide. So φ is rather too large: V at the first look will do.
"""

from __future__ import annotations

import math


def always_valid_bound(error: float, expected: float, level: float) -> float:
    """Return half the width of the interval.

    Args:
        error: standard error of the estimate at this look.
        expected: standard deviation of the effects that are expected, sqrt(φ).
        level: chance that any look's interval ever misses the effect.

    Example:
        >>> round(always_valid_bound(1.0, 3.0, 0.05) / 1.96, 2)
        1.55
    """
    v, phi = error**2, expected**2
    return math.sqrt(v * (v + phi) / phi * (math.log1p(phi / v) - 2 * math.log(level)))


def always_valid_p(change: float, error: float, expected: float) -> float:
    """Return 1/Λ of a look, at most 1; the p-value at a look is the least up to it."""
    v, phi = error**2, expected**2
    log_ratio = 0.5 * (phi * change**2 / (v * (v + phi)) - math.log1p(phi / v))
    return math.exp(-max(log_ratio, 0.0))
