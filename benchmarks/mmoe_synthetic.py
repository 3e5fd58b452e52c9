"""The synthetic experiment of the MMoE paper (Ma et al., KDD 2018, sec. 3.2, 4.2), at equal parameters.

The paper's claim: the less two tasks are related (p = 1, 0.9, 0.5), the more shared bottom and OMoE lose,
while MMoE loses little. Asked here: is MMoE's final loss at p = 0.5 below theirs, with a paired interval
that excludes 0?

8 experts of 16 units and towers of 8 for MMoE; the others are widened to its parameters. Adam, the learning
rate of every cell chosen from 1e-3, 3e-3, 1e-2 and 3e-2 on other seeds. Equal seeds mean equal task weights
and rows, so differences are paired; 200 runs, as in the paper. Deviations: each step sees fresh rows, so the
final loss is that of the function and not of a small sample; alpha, beta and c are this project's (the paper
gives none).

Figures: `cells.<p>.<structure>` (final loss as a share of the labels' variance: mean and standard deviation
over runs, learning rate), `mmoe_minus.<p>.<structure>` (paired differences with 95 % intervals).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import curves
import torch
from stacked_runs import INPUTS, TASKS, Cell, train
from torch import Tensor

import common
from sharewise.nn import ModelOptions, MultiTaskModel

MMOE = ModelOptions(sharing="mmoe", hidden=(16,), tower=(8,), experts=8)
STRUCTURES = {
    "shared_bottom": replace(MMOE, sharing="shared_bottom", match="parameters", match_to="mmoe"),
    "omoe": replace(MMOE, sharing="omoe", match="parameters", match_to="mmoe"),
    "mmoe": MMOE,
}
RELATEDNESS = (1.0, 0.9, 0.5)
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
#: Runs that are stacked: enough to fill a core, few enough for its cache.
STACKED = 25
FIRST_PILOT = 10_000


def _alone(cell: Cell) -> Tensor:
    torch.set_num_threads(1)
    return train(cell)


def run(cells: Sequence[Cell], jobs: int) -> list[Tensor]:
    """Train the cells in `jobs` processes of one thread each."""
    if jobs == 1:
        return [_alone(cell) for cell in cells]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        return pool.map(_alone, cells, chunksize=1)


def choose_rates(steps: int, runs: int, jobs: int) -> dict[tuple[float, str], float]:
    """Return the learning rate with the lowest mean final loss over the pilot's seeds, for each cell."""
    seeds = range(FIRST_PILOT, FIRST_PILOT + runs)
    keys = [(p, name, rate) for p in RELATEDNESS for name in STRUCTURES for rate in RATES]
    found = run([Cell(STRUCTURES[name], p, rate, steps, seeds) for p, name, rate in keys], jobs)
    losses = {key: curve[-1].mean().item() for key, curve in zip(keys, found, strict=True)}
    return {
        (p, name): min(RATES, key=lambda rate: losses[p, name, rate])
        for p in RELATEDNESS
        for name in STRUCTURES
    }


def figures_of(
    results: dict[tuple[float, str], Tensor], rates: dict[tuple[float, str], float]
) -> dict[str, Any]:
    """Return the final losses of the cells, and what MMoE differs by, run for run."""
    cells: dict[str, Any] = {}
    differences: dict[str, Any] = {}
    for p in RELATEDNESS:
        final = {name: results[p, name][-1] for name in STRUCTURES}
        cells[f"{p:g}"] = {
            name: {"mean": loss.mean().item(), "sd": loss.std().item(), "learning_rate": rates[p, name]}
            for name, loss in final.items()
        }
        others = [name for name in STRUCTURES if name != "mmoe"]
        differences[f"{p:g}"] = {
            name: common.paired((final["mmoe"] - final[name]).tolist()) for name in others
        }
    return {"cells": cells, "mmoe_minus": differences}


def picture(results: dict[tuple[float, str], Tensor], steps: int) -> str:
    """Draw the mean test loss over steps, with the middle half of the runs as a band."""
    panels = {}
    for p in RELATEDNESS:
        panel = []
        for name in STRUCTURES:
            losses = results[p, name]
            at = [steps * (i + 1) / len(losses) for i in range(len(losses))]
            low, high = losses.quantile(torch.tensor([0.25, 0.75]), dim=1).tolist()
            panel.append(curves.Curve(name, at, losses.mean(1).tolist(), low, high))
        panels[f"p = {p:g}"] = panel
    return curves.draw(panels, "steps", "test loss / variance")


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--runs", type=int, default=200, help="runs a cell")
    parser.add_argument("--steps", type=int, default=2_000, help="steps of 128 rows")
    parser.add_argument("--pilots", type=int, default=6, help="runs to choose each learning rate by")
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--svg", type=Path, default=Path("runs/mmoe_synthetic.svg"))
    chosen = parser.parse_args()
    common.start(chosen)
    if chosen.quick:
        chosen.runs, chosen.steps, chosen.pilots = 4, 300, 2
    rates = choose_rates(chosen.steps, chosen.pilots, chosen.jobs)
    common.say(f"learning rates: {rates}")
    keys = list(rates)
    stacks = [range(at, min(at + STACKED, chosen.runs)) for at in range(0, chosen.runs, STACKED)]
    cells = [
        Cell(STRUCTURES[name], p, rates[p, name], chosen.steps, seeds) for p, name in keys for seeds in stacks
    ]
    found = iter(run(cells, chosen.jobs))
    results = {key: torch.cat([next(found) for _ in stacks], 1) for key in keys}
    chosen.svg.parent.mkdir(parents=True, exist_ok=True)
    chosen.svg.write_text(picture(results, chosen.steps))
    sizes = {n: MultiTaskModel(TASKS, INPUTS, o).cost().parameters for n, o in STRUCTURES.items()}
    settings = {"runs": chosen.runs, "steps": chosen.steps, "parameters": sizes, "svg": str(chosen.svg)}
    common.finish({**settings, **figures_of(results, rates)})


if __name__ == "__main__":
    main()
