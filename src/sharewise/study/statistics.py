"""Paired differences between structures, with intervals over seeds and over test rows, and their verdicts.

Two things vary: the seed of training, and which rows happened to be tested on. Every seed of every structure
is evaluated on the same rows, so the two are *crossed*. With D[s] the difference of seed s, and u[s, g] what
unit g (a row, or a cluster of rows that belong together) contributes to it to first order,

    D[s] = δ + A_s + B + C_s,   Var(mean D) = σ_A²/S + σ_B² + σ_C²/S:

a seed's effect, the effect of the rows on the average seed, and an interaction. The estimate is

    V = V_seed + max(V_row - V_cell, 0),
    V_seed = (v[structure] + v[baseline]) / S           for σ_A²/S + σ_C²/S; v from `study.seeds`,
    V_row  = G/(G-1) · Σ_g (mean over s of u[s, g])²    for σ_B² + σ_C²/S, robust to dependence in clusters,
    V_cell = G/(G-1) · Σ_g Σ_s (u[s, g] - mean)² / (S (S-1))    for σ_C²/S, which the other two both hold

(two-way clustering: Cameron, Gelbach & Miller 2011; the first order of AUC is DeLong's, of R² the delta
method's). The quantile is Student's, its degrees of freedom Welch and Satterthwaite's.

Approximations: first order in the rows; two structures' runs with one seed share the order of rows and
little else, so they count as independent (if they go together, the interval is too wide, not too narrow);
the degrees of freedom of shrunken variances are estimated; comparisons with one baseline are dependent, which
Holm's correction allows for. `tests/study` simulates the coverage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from sharewise.study.seeds import seed_variances
from sharewise.tasks.metrics import Array

HELPS, HURTS, UNKNOWN = "helps", "hurts", "can't tell"
#: A verdict is given where the corrected p-value is below this.
LEVEL = 0.05


@dataclass(frozen=True)
class Sample:
    """One structure on one task.

    Attributes:
        values: the metric by seed, `[seeds]`; larger is better.
        units: `contributions` of every unit of rows to the metric's error, `[seeds, units]`.
    """

    values: Array
    units: Array


@dataclass(frozen=True)
class Difference:
    """A structure minus the baseline on one task.

    Attributes:
        structure, task: which.
        difference: mean over seeds of the paired difference in the primary metric.
        low, high: its 95 % interval, not corrected for many comparisons; NaN with fewer than two seeds.
        seed_error, row_error: the two parts of its standard error.
        freedom: degrees of freedom of the interval.
        p: two-sided.
        adjusted: p after Holm's correction over all comparisons of the study.
        verdict: "helps", "hurts", or "can't tell".
    """

    structure: str
    task: str
    difference: float
    low: float
    high: float
    seed_error: float
    row_error: float
    freedom: float
    p: float
    adjusted: float
    verdict: str


def contributions(influence: Array, clusters: NDArray[np.int64] | None = None) -> Array:
    """Return what every unit of rows contributes to a metric's error: its sum of influence / rows."""
    share = influence / max(len(influence), 1)
    if clusters is None:
        return share
    _, unit = np.unique(clusters, return_inverse=True)
    sums: Array = np.bincount(unit, share).astype(np.float64)
    return sums


def compare_samples(
    samples: Mapping[str, Mapping[str, Sample]], baseline: str, level: float = LEVEL
) -> list[Difference]:
    """Compare every structure with the baseline on every task.

    Args:
        samples: by structure, then by task; of the same seeds and units throughout.
        baseline: the structure to compare with.
        level: of the interval and the verdicts.

    Returns:
        Structure by structure, in the order given, without the baseline.
    """
    structures, tasks = list(samples), list(samples[baseline])
    table = np.array([[samples[structure][task].values for task in tasks] for structure in structures])
    variances, freedoms = seed_variances(table)
    base = structures.index(baseline)
    found = []
    for k, structure in enumerate(structures):
        for t, task in enumerate(tasks):
            if k != base:
                pair = samples[structure][task], samples[baseline][task]
                seeds = [(variances[i, t] / table.shape[2], freedoms[i, t]) for i in (k, base)]
                found.append(_difference((structure, task), pair, seeds, level))
    return _judged(found, level)


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values (Holm 1979); NaN stays NaN and does not count."""
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(len(values), np.nan)
    order = [int(i) for i in np.argsort(values, kind="stable") if not np.isnan(values[i])]
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * float(values[i])))
        adjusted[i] = largest
    return [float(value) for value in adjusted]


def row_variance(units: Array) -> float:
    """Return max(V_row - V_cell, 0) for the units `[seeds, units]` of a paired difference."""
    seeds, count = units.shape
    if count < 2 or seeds < 2:
        return float("nan")
    mean = units.mean(0)
    rows = float((mean**2).sum())
    cells = float(((units - mean) ** 2).sum()) / (seeds * (seeds - 1))
    return float(max(rows - cells, 0.0) * count / (count - 1))


#: A part of a variance, and its degrees of freedom.
Part = tuple[float, float]


def _difference(
    names: tuple[str, str], pair: tuple[Sample, Sample], seeds: list[Part], level: float
) -> Difference:
    mean = float((pair[0].values - pair[1].values).mean())
    units = pair[0].units - pair[1].units
    by_seed, by_row = sum(variance for variance, _ in seeds), row_variance(units)
    total = by_seed + by_row
    freedom = _satterthwaite(*seeds, (by_row, units.shape[1] - 1))
    error = float(np.sqrt(total))
    reach = float(stdtrit(freedom, 1 - level / 2)) * error
    p = float(2 * stdtr(freedom, -abs(mean) / error)) if error > 0 else _certain(mean, error)
    return Difference(
        *names,
        difference=mean,
        low=mean - reach,
        high=mean + reach,
        seed_error=float(np.sqrt(by_seed)),
        row_error=float(np.sqrt(by_row)),
        freedom=freedom,
        p=p,
        adjusted=float("nan"),
        verdict=UNKNOWN,
    )


def _certain(mean: float, error: float) -> float:
    # Equal on every seed and row: no difference. Anything else without any error is no evidence either.
    return 1.0 if error == 0 and mean == 0 else float("nan")


def _satterthwaite(*parts: Part) -> float:
    total = sum(variance for variance, _ in parts)
    spread = sum(variance**2 / freedom for variance, freedom in parts if variance > 0)
    if spread > 0:
        return float(total**2 / spread)
    return float("nan") if np.isnan(total) else float(parts[-1][1])


def _judged(found: list[Difference], level: float) -> list[Difference]:
    adjusted = holm([difference.p for difference in found])
    return [_with_verdict(d, p, level) for d, p in zip(found, adjusted, strict=True)]


def _with_verdict(difference: Difference, adjusted: float, level: float) -> Difference:
    verdict = UNKNOWN
    if adjusted < level:
        verdict = HELPS if difference.difference > 0 else HURTS
    values = {**difference.__dict__, "adjusted": adjusted, "verdict": verdict}
    return Difference(**values)
