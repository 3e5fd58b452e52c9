"""Evidence made up for tests: the shape of ``metrics.json``, with verdicts of all sorts."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from sharewise.files import to_json
from sharewise.study import advice

STRUCTURES = ("independent", "shared_bottom", "multiply", "cross_stitch", "mmoe", "cgc")
TASKS = (
    ("late_departure", "binary", "auc", 0.70),
    ("late_arrival", "binary", "auc", 0.71),
    ("cancelled", "binary", "auc", 0.91),
    ("departure_delay", "regression", "r2", 0.05),
    ("arrival_delay_in_minutes", "regression", "r2", 0.08),
    ("air_time", "regression", "r2", 0.97),
    ("carrier_group", "multiclass", "accuracy", 0.62),
    ("delays_that_day", "count", "d2", 0.11),
)

Maker = Callable[..., dict[str, Any]]


def spread(mean: float | None, sd: float | None) -> dict[str, float | None]:
    return {"mean": mean, "sd": sd}


def make_evidence(
    tasks: tuple[tuple[str, str, str, float], ...] = TASKS,
    structures: tuple[str, ...] = STRUCTURES,
    seeds: int = 3,
    epochs: int = 8,
) -> dict[str, Any]:
    """Return evidence as `Comparison.to_dict` gives it; the same arguments give the same."""
    chance = random.Random(0)
    effects = [_effect(s, t, chance) for s in structures[1:] for t in tasks]
    gated = [name for name in structures if name in ("mmoe", "cgc")]
    found = {
        "format": 1,
        "kind": "comparison",
        "baseline": structures[0],
        "level": 0.05,
        "seeds": list(range(seeds)),
        "threads": 1,
        "train": {"epochs": epochs, "balance": {"method": "equal"}},
        "best": {"structure": structures[-1], "seed": 1, "trial": "cgc-rate0.001-seed1-0123abcd"},
        "tasks": [
            {"name": n, "kind": k, "metric": m, "label": f"{n} > 15", "weight": 1.0} for n, k, m, _ in tasks
        ],
        "structures": [_structure(name, chance) for name in structures],
        "search": {name: {"0.001": 0.21, "0.003": 0.2} for name in structures},
        "results": {s: {t[0]: _result(t, seeds, chance) for t in tasks} for s in structures},
        "effects": effects,
        "curves": {s: [_curve(seed, tasks, epochs, chance) for seed in range(seeds)] for s in structures},
        "gates": {name: _gates(tasks, 8 if name == "mmoe" else 12, seeds, chance) for name in gated},
        "conflicts": {s: _conflict(tasks, chance) for s in structures[1:]},
        "calibration": {name: _calibration(kind, base, chance) for name, kind, _, base in tasks},
        "rows": {"train": 252704, "valid": 28889, "test": 55183},
        "clusters": 61,
        "data": {
            "rows": {"train": 252704, "valid": 28889, "test": 55183},
            "shape": "joint",
            "columns": {
                "categorical": ["carrier", "origin", "dest"],
                "numeric": ["distance", "temp", "hour"],
            },
            "tasks": [_summary(name, kind, base) for name, kind, _, base in tasks],
            "notes": ["Column 'year' is constant in the training split and is left out."],
        },
    }
    plain = json.loads(to_json(found))
    words = {
        "headline": advice.headline(plain),
        "sentences": advice.sentences(plain),
        "advice": advice.advice(plain),
    }
    return {**plain, "verdict": words}


def _interval(mean: float, reach: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - reach, "high": mean + reach}


def _conflict(tasks: tuple[tuple[str, str, str, float], ...], chance: random.Random) -> dict[str, Any]:
    by_task = {
        name: {
            **_interval(chance.uniform(-0.2, 0.6), 0.1),
            "norm": chance.uniform(0.1, 30),
            "hurt": chance.random(),
            "left": 0.7,
        }
        for name, *_ in tasks
    }
    cells = [[_interval(chance.uniform(-0.5, 0.9), 0.2) for _ in tasks] for _ in tasks]
    words = "On average the step went along with every task."
    found = {"looks": 1234, "worst": -0.04, "tasks": by_task, "words": words}
    return found if len(tasks) > 40 else {**found, "cosines": cells}


def _effect(structure: str, task: tuple[str, str, str, float], chance: random.Random) -> dict[str, Any]:
    difference, error = chance.gauss(0, 0.02), 0.004 + 0.004 * chance.random()
    p = 2 ** (-((difference / error) ** 2))
    verdict = "can't tell" if p > 0.02 else "helps" if difference > 0 else "hurts"
    return {
        "structure": structure,
        "task": task[0],
        "metric": task[2],
        "difference": difference,
        "low": difference - 2.3 * error,
        "high": difference + 2.3 * error,
        "seed_error": 0.8 * error,
        "row_error": 0.6 * error,
        "freedom": 9.3,
        "p": p,
        "adjusted": min(1.0, 2.5 * p),
        "verdict": verdict,
    }


def _structure(name: str, chance: random.Random) -> dict[str, Any]:
    return {
        "name": name,
        "options": {"sharing": name, "hidden": [64, 64]},
        "parameters": chance.randrange(20_000, 200_000),
        "multiplications": chance.randrange(20_000, 200_000),
        "learning_rate": 0.001,
        "score": spread(0.2 + 0.02 * chance.random(), 0.003),
    }


def _result(task: tuple[str, str, str, float], seeds: int, chance: random.Random) -> dict[str, Any]:
    values = [task[3] + chance.gauss(0, 0.01) for _ in range(seeds)]
    gap = abs(chance.gauss(0, 0.08))
    return {
        **spread(sum(values) / seeds, 0.0103 if seeds > 1 else None),
        "values": values,
        "rows": 54210,
        "loss": spread(0.51, 0.002),
        "constant_loss": 0.55,
        "other": {"brier": spread(0.16, 0.001)},
        "train_gain": spread(0.2 + gap, 0.002),
        "valid_gain": spread(0.2, 0.002),
        "gap": spread(gap, 0.003),
    }


def _curve(
    seed: int, tasks: tuple[tuple[str, str, str, float], ...], epochs: int, chance: random.Random
) -> dict[str, Any]:
    level, stop = 0.5 + 0.02 * chance.random(), epochs - seed % 2
    records = [
        {
            "step": 250 * (i + 1),
            "epoch": i + 1.0,
            "learning_rate": 0.001,
            "score": 0.2 - 0.15 * 0.5**i + chance.gauss(0, 0.003),
            "train": {name: level + 0.2 * 0.6**i for name, *_ in tasks},
            "valid": {name: level + 0.03 + 0.2 * 0.6**i + 0.002 * i for name, *_ in tasks},
            "conflict": {
                "worst": chance.gauss(-0.1, 0.05),
                "agreement": {name: chance.gauss(0.3, 0.1) for name, *_ in tasks},
            },
        }
        for i in range(stop)
    ]
    return {"seed": seed, "records": records}


def _gates(
    tasks: tuple[tuple[str, str, str, float], ...], experts: int, seeds: int, chance: random.Random
) -> dict[str, Any]:
    rows = [[chance.expovariate(1) ** 2 for _ in range(experts)] for _ in tasks]
    weights = [[value / sum(row) for value in row] for row in rows]
    return {
        "seed": 1,
        "weights": weights,
        "largest": {t[0]: [max(w)] * seeds for t, w in zip(tasks, weights, strict=True)},
    }


def _calibration(kind: str, base: float, chance: random.Random) -> dict[str, Any]:
    if kind in ("binary", "multiclass"):
        predicted = [0.02 + 0.09 * i for i in range(10)]
        bins = [
            {"predicted": p, "observed": min(1.0, p + chance.gauss(0, 0.03)), "rows": 5518} for p in predicted
        ]
        return {"type": "probability", "bins": bins}
    predicted = [-14.0 + 6.5 * i for i in range(10)]
    bins = [{"predicted": p, "observed": p + chance.gauss(0, 3), "rows": 5518} for p in predicted]
    residuals = {"0.05": -38.2, "0.25": -17.1, "0.5": -5.4, "0.75": 7.9, "0.95": 71.3}
    return {"type": "mean", "bins": bins, "residuals": residuals}


def _summary(name: str, kind: str, base: float) -> dict[str, Any]:
    observed = {"train": 246_450, "valid": 28_653, "test": 54_210}
    classes = ["a", "b"] if kind == "multiclass" else []
    return {
        "name": name,
        "kind": kind,
        "label": f"{name} > 15",
        "observed": observed,
        "mean": base,
        "sd": 0.41,
        "classes": classes,
    }


@pytest.fixture
def evidence() -> dict[str, Any]:
    return make_evidence()


@pytest.fixture
def maker() -> Maker:
    return make_evidence
