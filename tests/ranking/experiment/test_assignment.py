"""Who is in which arm: uniform, stable, independent across experiments, and moved by no ramp-up."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare, kstest

from sharewise.errors import ConfigError
from sharewise.ranking.experiment import Arm, ExperimentPlan, arm_of, arms_of
from sharewise.ranking.experiment.assignment import draws

USERS = list(range(40_000))
ARMS = (Arm("a"), Arm("b"))


def test_arms_have_their_shares() -> None:
    plan = ExperimentPlan("shares", (Arm("a", 3), Arm("b", 1), Arm("c", 1)))
    counts = np.bincount(arms_of(plan, USERS))
    assert chisquare(counts, np.array([3, 1, 1]) * len(USERS) / 5).pvalue > 1e-3


@pytest.mark.parametrize("users", [USERS, [f"user-{n}" for n in USERS]], ids=["numbers", "texts"])
def test_draws_are_uniform(users: list[object]) -> None:
    for drawn in draws("uniform", users):
        assert kstest(drawn, "uniform").pvalue > 1e-3


def test_experiments_are_independent() -> None:
    tables = []
    for first, second in (("one", "two"), ("exp-1", "exp-2"), ("x", "xx")):
        one, two = (arms_of(ExperimentPlan(name, ARMS), USERS) for name in (first, second))
        tables.append(chi2_contingency(np.bincount(2 * one + two).reshape(2, 2)).pvalue)
    assert min(tables) > 1e-3
    taking_part, within = draws("one", USERS)
    assert abs(np.corrcoef(taking_part, within)[0, 1]) < 4 / np.sqrt(len(USERS))


def test_more_traffic_adds_users_and_moves_none() -> None:
    before = arms_of(ExperimentPlan("ramp", ARMS, traffic=0.1), USERS)
    after = arms_of(ExperimentPlan("ramp", ARMS, traffic=0.6), USERS)
    inside = before >= 0
    assert abs(inside.mean() - 0.1) < 0.01
    assert abs((after >= 0).mean() - 0.6) < 0.02
    assert (after[inside] == before[inside]).all()
    assert (arms_of(ExperimentPlan("ramp", ARMS, traffic=0.0), USERS) == -1).all()


def test_another_process_says_the_same() -> None:
    plan = ExperimentPlan("stable", ARMS)
    code = (
        "from sharewise.ranking.experiment import *\n"
        "plan = ExperimentPlan('stable', (Arm('a'), Arm('b')))\n"
        "print(','.join(arm_of(plan, user) for user in range(50)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert said.strip() == ",".join(arm_of(plan, user) for user in range(50))
    # Any other program can compute it: the first user's bits, written out.
    assert arm_of(plan, 0) == "a"
    assert "b" in said


def test_strangers_take_no_part() -> None:
    assert arm_of(ExperimentPlan("x", ARMS), None) == ""


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: ExperimentPlan("", ARMS), "is called ''"),
        (lambda: ExperimentPlan("a=b", ARMS), "a=b"),
        (lambda: ExperimentPlan("x" * 65, ARMS), "64 letters"),
        (lambda: ExperimentPlan("x", ARMS[:1]), "2 or more"),
        (lambda: ExperimentPlan("x", (*ARMS, Arm("a"))), "one name"),
        (lambda: ExperimentPlan("x", ARMS, traffic=1.5), "traffic"),
        (lambda: ExperimentPlan("x", ARMS, level=0.0), "level"),
        (lambda: ExperimentPlan("x", ARMS, expected=-1), "expected"),
        (lambda: ExperimentPlan("x", ARMS, fewest=1), "fewest"),
        (lambda: ExperimentPlan("x", ARMS, outcomes=()), "no outcome"),
        (lambda: ExperimentPlan("x", ARMS, primary="tim_spent"), "Did you mean 'time_spent'"),
        (lambda: ExperimentPlan("x", ARMS, guards={"likes": 1.0}), "guard"),
        (lambda: ExperimentPlan("x", ARMS, guards={"loves": 0.1}), "no outcome 'loves'"),
        (lambda: Arm("a;b"), "a;b"),
        (lambda: Arm("a", 0), "share"),
        (lambda: Arm("a", float("nan")), "share"),
    ],
)
def test_plans_that_cannot_be_used(make: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()  # type: ignore[operator]


def test_a_plan_survives_json() -> None:
    from sharewise.ranking.options import BlendOptions

    arms = (Arm("a"), Arm("b", 2, ranker="r", blend=BlendOptions("sum", {"click": 1.0})))
    plan = ExperimentPlan("x", arms, guards={"likes": 0.01})
    assert ExperimentPlan.from_dict(plan.to_dict()) == plan
    assert not plan.same
    assert ExperimentPlan("x", ARMS).same
