"""Intervals cover what they say, verdicts are corrected, and formulas agree with other ways to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sharewise.study.seeds import independent_tasks, inverse_trigamma, prior_freedom, seed_variances
from sharewise.study.statistics import Sample, compare_samples, contributions, holm, row_variance
from sharewise.tasks import metrics

SEEDS, UNITS, TASKS = 3, 40, 6


def simulate(
    chance: np.random.Generator,
    *,
    structures: int = 5,
    tasks: int = TASKS,
    seeds: int = SEEDS,
    spreads: tuple[float, float, float],
    delta: float = 0.0,
    correlation: float = 0.0,
    loud: int | None = None,
) -> dict[str, dict[str, Sample]]:
    """Draw a study from D = δ + A_seed + B_rows + C_cell, as the module describes it."""
    by_seed, by_row, by_cell = spreads
    samples: dict[str, dict[str, Sample]] = {}
    for k in range(structures):
        factor = 2.0 if k == loud else 1.0
        common = chance.normal(size=seeds)
        samples[f"s{k}"] = {}
        for t in range(tasks):
            own = chance.normal(size=seeds)
            seed = factor * by_seed * (correlation**0.5 * common + (1 - correlation) ** 0.5 * own)
            units = chance.normal(0, by_row, UNITS) + chance.normal(0, factor * by_cell, (seeds, UNITS))
            units /= UNITS**0.5
            values = (delta if k else 0.0) + seed + units.sum(1)
            samples[f"s{k}"][f"t{t}"] = Sample(values, units - units.mean(1, keepdims=True))
    return samples


@pytest.mark.parametrize(
    "spreads, more",
    [
        ((1.0, 1.0, 0.5), {}),
        ((1.0, 0.1, 0.1), {}),
        ((0.1, 1.0, 0.1), {}),
        ((0.1, 0.3, 1.0), {}),
        ((1.0, 0.5, 0.5), {"correlation": 0.6}),
        ((1.0, 0.5, 0.5), {"seeds": 5, "structures": 3}),
        ((1.0, 0.5, 0.5), {"structures": 2, "tasks": 1}),
        ((1.0, 0.5, 0.5), {"loud": 2}),
    ],
)
def test_intervals_cover(spreads: tuple[float, float, float], more: dict[str, float]) -> None:
    chance, delta, hits = np.random.default_rng(1), 0.3, []
    repeats = 1500 if more.get("tasks") == 1 else 150
    for _ in range(repeats):
        found = compare_samples(simulate(chance, spreads=spreads, delta=delta, **more), "s0")  # type: ignore[arg-type]
        hits += [one.low <= delta <= one.high for one in found]
    assert 0.92 <= np.mean(hits) <= 0.98


def test_false_verdicts_are_rare() -> None:
    chance = np.random.default_rng(2)
    studies = [compare_samples(simulate(chance, spreads=(1.0, 0.5, 0.5)), "s0") for _ in range(200)]
    assert np.mean([any(one.verdict != "can't tell" for one in study) for study in studies]) <= 0.09


def test_true_differences_are_found_and_named() -> None:
    chance = np.random.default_rng(3)
    for delta, verdict in ((12.0, "helps"), (-12.0, "hurts")):
        found = compare_samples(simulate(chance, spreads=(1.0, 0.5, 0.5), delta=delta), "s0")
        assert {one.verdict for one in found} == {verdict}


def test_baseline_is_compared_with_all_others_in_order() -> None:
    samples = simulate(np.random.default_rng(4), spreads=(1.0, 1.0, 1.0), structures=3, tasks=2)
    found = compare_samples(samples, "s1")
    assert [(one.structure, one.task) for one in found] == [
        (s, t) for s in ("s0", "s2") for t in ("t0", "t1")
    ]
    for one in found:
        delta = samples[one.structure][one.task].values - samples["s1"][one.task].values
        assert one.difference == pytest.approx(delta.mean())


def test_one_structure_and_task_is_welch() -> None:
    chance = np.random.default_rng(5)
    a, b = chance.normal(size=6), chance.normal(size=6)
    still = np.zeros((6, 10))
    (found,) = compare_samples({"base": {"t": Sample(a, still)}, "new": {"t": Sample(b, still)}}, "base")
    expected = stats.ttest_ind(b, a, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue, rel=0.05)
    assert found.row_error == 0.0


def test_one_seed_gives_no_interval_and_no_verdict() -> None:
    samples = simulate(np.random.default_rng(6), spreads=(1.0, 1.0, 1.0), seeds=1, delta=50.0)
    for one in compare_samples(samples, "s0"):
        assert one.verdict == "can't tell"
        assert np.isnan([one.low, one.high, one.p, one.adjusted]).all()


def test_a_metric_that_is_undefined_is_left_out() -> None:
    samples = simulate(np.random.default_rng(7), spreads=(1.0, 0.5, 0.5), delta=12.0)
    broken = samples["s2"]["t0"]
    samples["s2"]["t0"] = Sample(np.full_like(broken.values, np.nan), broken.units)
    found = compare_samples(samples, "s0")
    assert all(np.isnan(one.p) for one in found if one.task == "t0")
    assert {one.verdict for one in found if one.task != "t0"} == {"helps"}


def test_equal_models_are_not_told_apart() -> None:
    sample = Sample(np.array([0.7, 0.71, 0.69]), np.random.default_rng(8).normal(size=(3, 20)))
    (found,) = compare_samples({"a": {"t": sample}, "b": {"t": sample}}, "a")
    assert (found.difference, found.verdict) == (0.0, "can't tell")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_monotone_bounded_and_stricter(p: list[float]) -> None:
    adjusted = holm(p)
    order = np.argsort(p, kind="stable")
    assert all(1 >= a >= value for a, value in zip(adjusted, p, strict=True))
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)
    assert adjusted[order[0]] == pytest.approx(min(1.0, len(p) * p[order[0]]))


def test_holm_by_hand_and_without_what_is_unknown() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    adjusted = holm([float("nan"), 0.02, 0.5])
    assert np.isnan(adjusted[0])
    assert adjusted[1:] == pytest.approx([0.04, 0.5])


def test_contributions_are_sums_over_clusters() -> None:
    influence = np.array([1.0, -2.0, 4.0, -3.0])
    assert contributions(influence).tolist() == (influence / 4).tolist()
    clustered = contributions(influence, np.array([7, 3, 7, 3]))
    assert clustered.tolist() == [-1.25, 1.25]


def test_row_variance_of_a_mean_is_the_textbooks() -> None:
    chance = np.random.default_rng(9)
    values = chance.normal(size=500)
    units = contributions(metrics.mean(values, np.ones(500)).influence)
    found = row_variance(np.stack([units, units]))
    assert found == pytest.approx(values.var(ddof=1) / 500)


def test_clusters_that_repeat_rows_count_once() -> None:
    chance = np.random.default_rng(10)
    values = chance.normal(size=100)
    single = contributions(metrics.mean(values, np.ones(100)).influence)
    repeated = metrics.mean(np.repeat(values, 5), np.ones(500)).influence
    clustered = contributions(repeated, np.repeat(np.arange(100), 5))
    assert row_variance(np.stack([clustered] * 3)) == pytest.approx(row_variance(np.stack([single] * 3)))


def test_variances_of_noisy_structures_stay_large() -> None:
    chance = np.random.default_rng(11)
    values = chance.normal(size=(5, 6, 3)) * np.array([1, 1, 1, 1, 6.0])[:, None, None]
    variances, freedoms = seed_variances(values)
    assert variances[4].mean() > 8 * variances[:4].mean()
    assert (freedoms >= 2).all()


def test_seed_variances_of_one_structure_and_task_are_the_samples() -> None:
    values = np.random.default_rng(12).normal(size=(1, 1, 4))
    variances, freedoms = seed_variances(values)
    assert variances[0, 0] == pytest.approx(values[0, 0].var(ddof=1))
    assert freedoms[0, 0] == 3


def test_copies_of_a_task_are_worth_one() -> None:
    one = np.random.default_rng(13).normal(size=(5, 1, 3))
    assert independent_tasks(np.repeat(one, 6, axis=1)) == pytest.approx(1.0)


def test_alike_variances_are_pooled_and_unlike_ones_are_not() -> None:
    chance = np.random.default_rng(14)
    alike = stats.chi2(4).rvs((30, 30), random_state=chance)
    assert prior_freedom(alike, np.full_like(alike, 4.0), 4) > 50
    unlike = alike * chance.lognormal(0, 2, alike.shape)
    assert prior_freedom(unlike, np.full_like(alike, 4.0), 4) < 4


@pytest.mark.parametrize("value", [0.01, 0.5, 3.0, 40.0])
def test_inverse_trigamma(value: float) -> None:
    from scipy.special import polygamma

    assert polygamma(1, inverse_trigamma(value)) == pytest.approx(value, rel=1e-6)
