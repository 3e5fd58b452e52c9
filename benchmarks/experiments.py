"""False alarms, power and stopping times of experiments that are looked at every hour, on simulated
platforms.

Claim: over 300 A/A tests false alarms are at most 5 % for every outcome though every hour is looked at;
intervals hold the true effect at all looks; users are assigned uniformly and independently.

Every world is a platform of some thousand users, simulated for a day before and two days of the experiment.
Part `aa`: each test divides a world's users anew by its name; nothing differs between arms, so all that is
found is false. Beside it what looking every hour at the usual 95 % interval would find. Part `ab`: the same
world is lived twice from the first day's end on, once with a production score that knows more. So what every
user would do in either arm is known, and with it the true effect: the ratio of the sums over all users. Each
test shows every user the world of their arm. `found` is how many tests found the effect, `hours` after how
many hours on average (those that did not count as the whole time), `held` whether the interval held the true
effect at all looks, `wrong` how many found the opposite. Part `assignment`: p-values of chi-square tests
over many names.

Figures: `aa.<outcome>.alarms`, `ab.<outcome>.found`, `ab.<outcome>.hours`, `cuped.<outcome>.saved`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import chi2_contingency, chisquare, kstest

import common
from sharewise.ranking.experiment import Arm, ExperimentPlan, Look, UserSums, Watch, arms_of
from sharewise.ranking.world import World, WorldOptions

COLUMNS = ("time", "user", "clicked", "watched", "liked", "dismissed", "rating")
BEFORE, SINCE = 24, 48
#: The production score of the second arm, and how many lists it leaves to chance.
BETTER = {"noise": 0.5, "exploration": 0.0}
Hours = list[pl.DataFrame]


def options_of(seed: int, quick: bool) -> WorldOptions:
    """Return a world of its own."""
    users = 1_000 if quick else 4_000
    return WorldOptions(
        users=users, videos=users // 4, requests_per_hour=users // 5, hours=BEFORE + SINCE, seed=1000 + seed
    )


def live(options: WorldOptions, change: dict[str, float]) -> Hours:
    """Return the log of a world whose production score changes when the experiment begins."""
    world, found = World(options), []
    for hour in range(options.hours):
        if hour == BEFORE:
            world.options = replace(options, **change)
        log = world.step().log
        assert log is not None
        found.append(log.select(COLUMNS))
    return found


def follow(plan: ExperimentPlan, control: Hours, treatment: Hours) -> list[Look]:
    """Return a look an hour at an experiment in which each user sees the world of their arm."""
    users = pl.concat(control)["user"].unique().sort()
    arms = pl.DataFrame({"user": users, "arm": arms_of(plan, users.to_list())})
    sums, watch, looks = UserSums(plan), Watch(plan), []
    for hour, worlds in enumerate(zip(control, treatment, strict=True)):
        if hour < BEFORE:
            sums.see(worlds[0])
            continue
        parts = [
            rows.join(
                arms.filter(pl.col("arm") == place).select("user"), on="user", maintain_order="left"
            ).with_columns(arms=pl.lit(f"{plan.name}={plan.arm_names[place]}"))
            for place, rows in enumerate(worlds)
        ]
        sums.see(pl.concat(parts))
        looks.append(watch.look(sums, str(hour)))
    return looks


def tests_of(plan: str, arms: Callable[[], tuple[Hours, Hours]], tests: int) -> list[list[Look]]:
    """Return the looks at several divisions of one pair of worlds."""
    control, treatment = arms()
    plans = [ExperimentPlan(f"{plan}-{test}", (Arm("a"), Arm("b"))) for test in range(tests)]
    return [follow(one, control, treatment) for one in plans]


def alike(seed: int, quick: bool, tests: int) -> list[dict[str, Any]]:
    """Return what looks at A/A tests in one world found: a record a test and outcome."""

    def arms() -> tuple[Hours, Hours]:
        hours = live(options_of(seed, quick), {})
        return hours, hours

    found = []
    for looks in tests_of(f"aa-{seed}", arms, tests):
        mismatch = any(look.advice == "mismatch" for look in looks)
        for outcome, readings in by_outcome(looks).items():
            found.append(
                {
                    "outcome": outcome,
                    "alarm": readings[-1].verdict != "can't tell yet",
                    "naive": any(r.low_once > 0 or r.high_once < 0 for r in readings),
                    "at_end": readings[-1].low_once > 0 or readings[-1].high_once < 0,
                    "saved": readings[-1].saved,
                    "mismatch": mismatch,
                }
            )
    return found


def different(seed: int, quick: bool, tests: int) -> list[dict[str, Any]]:
    """Return what looks at A/B tests in one pair of worlds found."""
    options = options_of(seed, quick)
    worlds = live(options, {}), live(options, BETTER)
    effects = true_effects(*worlds)
    found = []
    for looks in tests_of(f"ab-{seed}", lambda: worlds, tests):
        for outcome, readings in by_outcome(looks).items():
            effect = effects[outcome]
            verdicts = [r.verdict for r in readings]
            right = "better" if (effect > 0) != (outcome == "dismissals") else "worse"
            opposite = "worse" if right == "better" else "better"
            found.append(
                {
                    "outcome": outcome,
                    "effect": effect,
                    "found": verdicts[-1] == right,
                    "wrong": verdicts[-1] == opposite,
                    "hours": verdicts.index(right) + 1 if right in verdicts else SINCE,
                    "held": all(r.low < effect < r.high for r in readings),
                    "saved": readings[-1].saved,
                    "off": readings[-1].change - effect,
                }
            )
    return found


def true_effects(control: Hours, treatment: Hours) -> dict[str, float]:
    """Return by how much of the control's the outcomes of all users differ."""
    sums = [
        pl.concat(hours[BEFORE:]).select(
            time_spent=pl.col("watched").sum(),
            clicks=pl.col("clicked").sum(),
            likes=pl.col("liked").sum(),
            dismissals=pl.col("dismissed").sum(),
            survey=pl.col("rating").mean(),
        )
        for hours in (control, treatment)
    ]
    return {name: sums[1][name].item() / sums[0][name].item() - 1 for name in sums[0].columns}


def by_outcome(looks: list[Look]) -> dict[str, list[Any]]:
    """Return the readings of every outcome, look after look."""
    found: dict[str, list[Any]] = {}
    for look in looks:
        for reading in look.readings:
            found.setdefault(reading.outcome, []).append(reading)
    return found


def gathered(
    part: Callable[[int, bool, int], list[dict[str, Any]]],
    worlds: int,
    tests: int,
    arguments: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Return the records of all worlds, several at a time."""
    every = []
    with ProcessPoolExecutor(arguments.jobs, get_context("spawn")) as pool:
        work = partial(part, quick=arguments.quick, tests=tests)
        for seed, found in enumerate(pool.map(work, range(worlds))):
            every += found
            common.say(f"{part.__name__}: world {seed + 1} of {worlds}")
    return every


def averages(records: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the means of every outcome's records, and how many there are."""
    outcomes = dict.fromkeys(record["outcome"] for record in records)
    found = {}
    for outcome in outcomes:
        own = [record for record in records if record["outcome"] == outcome]
        names = [name for name in own[0] if name != "outcome"]
        means = {name: float(np.mean([record[name] for record in own])) for name in names}
        found[outcome] = {**means, "tests": len(own)}
    return found


def aa(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return false alarms, and the variance that what was before saves."""
    worlds = 2 if arguments.quick else 20
    found = averages(gathered(alike, worlds, -(-arguments.aa // worlds), arguments))
    return {
        "aa": {
            name: {"alarms": own["alarm"], **{k: own[k] for k in ("naive", "at_end", "mismatch", "tests")}}
            for name, own in found.items()
        },
        "cuped": {name: {"saved": own["saved"]} for name, own in found.items()},
    }


def ab(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return power and stopping times."""
    worlds = 2 if arguments.quick else 10
    return {"ab": averages(gathered(different, worlds, -(-arguments.ab // worlds), arguments))}


def assignment(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return how uniform and independent assignments of many experiments are."""
    users = list(range(20_000))
    arms = (Arm("a", 2), Arm("b", 1), Arm("c", 1))
    places = [
        arms_of(ExperimentPlan(f"name-{n}", arms), users) for n in range(40 if arguments.quick else 200)
    ]
    uniform = [
        chisquare(np.bincount(own, minlength=3), np.array([2, 1, 1]) * len(users) / 4).pvalue
        for own in places
    ]
    apart = [
        chi2_contingency(np.bincount(3 * one + two, minlength=9).reshape(3, 3)).pvalue
        for one, two in pairwise(places)
    ]
    again = arms_of(ExperimentPlan("name-0", arms), users)
    return {
        "assignment": {
            "experiments": len(places),
            "uniform": {"least_p": min(uniform), "of_all_p": float(kstest(uniform, "uniform").pvalue)},
            "independent": {"least_p": min(apart), "of_all_p": float(kstest(apart, "uniform").pvalue)},
            "stable": bool((again == places[0]).all()),
        }
    }


PARTS = {"assignment": assignment, "aa": aa, "ab": ab}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--aa", type=int, default=300, help="A/A tests")
    parser.add_argument("--ab", type=int, default=100, help="A/B tests")
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.quick:
        chosen.aa, chosen.ab = min(chosen.aa, 4), min(chosen.ab, 4)
    figures: dict[str, Any] = {}
    for name in chosen.parts:
        figures |= PARTS[name](chosen)
    common.finish(figures)


if __name__ == "__main__":
    main()
