"""How much a metric varies over seeds, when a handful of seeds has to tell.

Three seeds give a variance two degrees of freedom, too few to say much. But a study has many such variances,
of every structure k on every task t, and they are alike: some tasks are noisier, and some structures. So

    prior[k, t] = m[t] · f[k],   m[t] = mean of v[., t],   f[k] = mean over tasks of v[k, t] / m[t]

and each v[k, t] is shrunk towards it by as much as the v are like their priors (empirical Bayes, Smyth 2004).
Tasks of one run are not independent; how many independent ones they are worth is estimated from their
correlations.
"""

from __future__ import annotations

import numpy as np
from scipy.special import polygamma

from sharewise.tasks.metrics import Array


def seed_variances(values: Array) -> tuple[Array, Array]:
    """Return every structure's variance over seeds on every task, and what it is worth in degrees of freedom.

    Args:
        values: a metric, `[structures, tasks, seeds]`; a task with NaN gives NaN and is left out of the rest.

    Returns:
        Variances and degrees of freedom, `[structures, tasks]`; NaN with fewer than two seeds.
    """
    variances = np.full(values.shape[:2], np.nan)
    freedoms = np.full(values.shape[:2], np.nan)
    known = np.isfinite(values).all((0, 2))
    if values.shape[2] >= 2 and known.any():
        variances[:, known], freedoms[:, known] = _shrink(values[:, known])
    return variances, freedoms


def _shrink(values: Array) -> tuple[Array, Array]:
    structures, _, seeds = values.shape
    own, freedom = values.var(axis=2, ddof=1), seeds - 1
    by_task = own.mean(0)
    ratio = np.divide(own, by_task, out=np.ones_like(own), where=by_task > 0)
    prior = by_task * ratio.mean(1, keepdims=True)
    worth = 1 / (1 / (structures * freedom) + 1 / (independent_tasks(values) * freedom))
    weight = prior_freedom(own, prior, freedom)
    share = 1.0 if np.isinf(weight) else weight / (weight + freedom)
    freedoms = max(float(freedom), min(weight + freedom, worth))
    return share * prior + (1 - share) * own, np.full_like(own, freedoms)


def independent_tasks(values: Array) -> float:
    """Return how many independent tasks these are worth as evidence about variances: T² / Σ correlation²."""
    structures, tasks, seeds = values.shape
    residual = (values - values.mean(2, keepdims=True)).transpose(1, 0, 2).reshape(tasks, structures * seeds)
    lengths = np.linalg.norm(residual, axis=1)
    unit = residual[lengths > 0] / lengths[lengths > 0, None]
    return len(unit) ** 2 / float(((unit @ unit.T) ** 2).sum()) if len(unit) else 1.0


def prior_freedom(own: Array, prior: Array, freedom: int) -> float:
    """Return the degrees of freedom that the priors are worth; infinite where variances are like them.

    Matches the variance of log(own / prior) to that of Fisher's z (Smyth 2004, section 6.2), corrected for
    the means of rows and columns having been fitted.
    """
    fitted = (own.shape[0] - 1) * (own.shape[1] - 1)
    fine = (own > 0) & (prior > 0)
    if fitted < 2 or fine.sum() < 3:
        return 0.0 if min(own.shape) > 1 else float("inf")
    z = np.log(own[fine] / prior[fine])
    excess = float(((z - z.mean()) ** 2).sum() / (fine.sum() * fitted / own.size) - polygamma(1, freedom / 2))
    return 2 * inverse_trigamma(excess) if excess > 0 else float("inf")


def inverse_trigamma(value: float) -> float:
    """Return x with trigamma(x) = value, by Newton's method on 1 / trigamma, which is nearly straight."""
    x = 0.5 + 1 / value
    for _ in range(50):
        now = float(polygamma(1, x))
        step = now * (1 - now / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x
