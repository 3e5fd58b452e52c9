"""An arm against the control: how their outcomes differ, as a ratio, with its error by user.

With sums v and p of each user, an arm's outcome is R = Σv / Σp (p = 1 for sums over a user). To first order
a user moves it by ψ = (v - R p) / mean(p), so Var(R) = Var(ψ) / n (the delta method: Deng, Knoblich & Lu,
"Applying the Delta Method in Metric Analytics", KDD 2018), and Var(log R) = Var(R) / R².

What users did before cannot come of the arm, but says much of what they do since. So ψ is regressed on it,
with one slope θ for both arms, and its luck is taken away: R' = R - θ (mean x of the arm - mean x of all),
with the variance of what the regression leaves (CUPED: Deng, Xu, Kohavi & Walker, WSDM 2013, whose adjusted
mean is Y - θ (X - E X) with θ = cov(X, Y) / var(X); here with several covariates: the same outcome before,
the logarithm of how much was seen before, and whether anything was).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sharewise.ranking.experiment.sums import ArmSums, Array


@dataclass(frozen=True)
class Effect:
    """An arm beside the control by one outcome.

    Attributes:
        control, treatment: the outcome of each, as it is.
        change: the logarithm of their ratio, what users did before taken into account.
        error: its standard error.
        plain_change, plain_error: the same without it.
    """

    control: float
    treatment: float
    change: float
    error: float
    plain_change: float
    plain_error: float

    @property
    def saved(self) -> float:
        """Share of the variance that what users did before explains."""
        return 1 - (self.error / self.plain_error) ** 2


def compare(control: ArmSums, treatment: ArmSums) -> Effect | None:
    """Return how an arm differs from the control; None if either has nothing to take the ratio of.

    Args:
        control, treatment: the users of each.
    """
    arms = (control, treatment)
    if any(len(arm.value) < 2 or arm.value.sum() <= 0 or arm.per.sum() <= 0 for arm in arms):
        return None
    ratios = [float(arm.value.sum() / arm.per.sum()) for arm in arms]
    moved = [(arm.value - r * arm.per) / arm.per.mean() for arm, r in zip(arms, ratios, strict=True)]
    plain = _log_ratio(ratios, moved)
    if plain is None:
        return None
    covariates = _covariates(control, treatment)
    adjusted = _log_ratio(*_adjusted(ratios, moved, covariates)) or plain
    return Effect(ratios[0], ratios[1], *adjusted, *plain)


def _log_ratio(ratios: list[float], moved: list[Array]) -> tuple[float, float] | None:
    """Return the logarithm of the second over the first, and its standard error."""
    if min(ratios) <= 0:
        return None
    variance = sum(
        float(own.var(ddof=1)) / len(own) / ratio**2 for own, ratio in zip(moved, ratios, strict=True)
    )
    return (math.log(ratios[1] / ratios[0]), math.sqrt(variance)) if variance > 0 else None


def _adjusted(
    ratios: list[float], moved: list[Array], covariates: list[Array]
) -> tuple[list[float], list[Array]]:
    means = [own.mean(0) for own in covariates]
    centred = [own - mean for own, mean in zip(covariates, means, strict=True)]
    within, before = np.concatenate(moved), np.concatenate(centred)
    scale = np.sqrt((before**2).mean(0))
    before = before / np.where(scale < 1e-12, 1.0, scale)
    slope = np.linalg.lstsq(before.T @ before, before.T @ within, rcond=1e-9)[0]
    slope = slope / np.where(scale < 1e-12, 1.0, scale)
    overall = np.concatenate(covariates).mean(0)
    ratios = [ratio - float((mean - overall) @ slope) for ratio, mean in zip(ratios, means, strict=True)]
    return ratios, [own - x @ slope for own, x in zip(moved, centred, strict=True)]


def _covariates(control: ArmSums, treatment: ArmSums) -> list[Array]:
    """Return what was before of the users of both, ``[users, covariates]``, by one formula for both."""
    arms = (control, treatment)
    value = sum(float(arm.value_before.sum()) for arm in arms)
    per = sum(float(arm.per_before.sum()) for arm in arms)
    ratio = value / per if per > 0 else 0.0
    return [
        np.stack(
            [
                arm.value_before - ratio * arm.per_before,
                np.log1p(arm.rows_before),
                (arm.rows_before > 0).astype(np.float64),
            ],
            1,
        )
        for arm in arms
    ]
