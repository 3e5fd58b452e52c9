"""Omniglot: one-shot within an alphabet as Lake et al. ask it, and the table on Vinyals' split.

Three parts (--part):

* oneshot: 20 runs of 20 ways with one example each, within an alphabet of the 20 that were never trained on.
  A prototypical network learns from the 30 background alphabets. Figure: `oneshot.error_percent`.
* minimal: the same runs after the two minimal sets of 5 background alphabets; the mean of both. Figure:
  `oneshot.minimal_error_percent`.
* vinyals: accuracy of learners and baselines, 5 and 20 ways, 1 and 5 shots, at --minutes of one core each,
  or of --device, on 600 test episodes. Figures: `vinyals.<ways>way<shots>shot.<learner>.accuracy_percent`.

With --hold-out the first two parts train without some background alphabets and are judged by these alone:
that is how every choice of the recipe was made. Without it, all are trained on, and the 20 runs are asked
once. The budget is the process's own time on all cores. With --cache a run that was cut goes on.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import omniglot_oneshot as oneshot
import omniglot_vinyals as vinyals

import common

PARTS = ("oneshot", "minimal", "vinyals")
QUICK = 20


def one_shot(chosen: Namespace, split: str) -> dict[str, Any]:
    """Return the error after training on a split: of the alphabets held out, or of the 20 runs."""
    steps = QUICK if chosen.quick else chosen.iterations or oneshot.ITERATIONS[split]
    recipe = oneshot.Recipe()
    recipe = replace(recipe, options=replace(recipe.options, iterations=steps))
    say = common.say
    say(f"{split}: {steps} steps")
    held = (5 if split == "background" else 1) if chosen.hold_out else 0
    learner, valid, spent = oneshot.train(split, recipe, held, chosen.seed, chosen.cache, say)
    found: dict[str, Any] = {"steps": steps, "core_seconds": spent["core"], "wall_seconds": spent["wall"]}
    if valid is not None:
        found["held_out_error_percent"] = oneshot.held_out_error(learner, valid, 20 if chosen.quick else 400)
    else:
        found |= oneshot.runs_error(learner, recipe.size)
        say(f"  {found['error_percent']:.2f} % ({found['wrong']} of {found['of']} wrong)")
    return found


def background(chosen: Namespace) -> dict[str, Any]:
    """Return the part "oneshot"."""
    return {**one_shot(chosen, "background"), "published_error_percent": oneshot.PUBLISHED["oneshot"]}


def minimal(chosen: Namespace) -> dict[str, Any]:
    """Return the part "minimal"; of the figures of both sets the error alone is averaged."""
    found: dict[str, Any] = {name: one_shot(chosen, name) for name in ("small1", "small2")}
    if not chosen.hold_out:
        found["error_percent"] = sum(found[name]["error_percent"] for name in ("small1", "small2")) / 2
    return {**found, "published_error_percent": oneshot.PUBLISHED["minimal"]}


def table(chosen: Namespace) -> dict[str, Any]:
    """Return the part "vinyals"."""
    minutes, episodes = (0.02, 32) if chosen.quick else (chosen.minutes, chosen.episodes)
    budget = vinyals.Budget(minutes, chosen.device)
    found: dict[str, Any] = {}
    for ways, shots in chosen.conditions:
        key = f"{ways}way{shots}shot"
        found[key] = {}
        for name in chosen.learners:
            got = vinyals.cell(name, ways, shots, budget, episodes, chosen.seed, chosen.cache)
            found[key][name] = got
            adapted = "" if got["adaptation_steps"] is None else f" by {got['adaptation_steps']} steps"
            common.say(
                f"{key} {name}: {got['accuracy_percent']:.2f} ({got['low']:.2f} to {got['high']:.2f})"
                f"{adapted}, {got['minutes']:.1f} minutes; published {got['published']}",
            )
    return found


def _condition(text: str) -> tuple[int, int]:
    ways, shots = text.split("x")
    return int(ways), int(shots)


def main() -> None:
    """Measure and print."""
    parser = common.parser(__doc__)
    parser.add_argument("--part", choices=(*PARTS, "all"), default="all")
    parser.add_argument("--hold-out", action="store_true", help="judge by held-out background alphabets")
    parser.add_argument("--iterations", type=int, help="steps, if not the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="folder for checkpoints: a run that was cut goes on")
    parser.add_argument("--learners", nargs="+", choices=list(vinyals.ENTRIES), default=list(vinyals.ENTRIES))
    parser.add_argument("--minutes", type=float, default=60.0, help="of one core, for a cell")
    parser.add_argument("--episodes", type=int, default=600, help="that a cell is tested on")
    parser.add_argument("--device", default="cpu", help="where the learners of the table are trained")
    parser.add_argument(
        "--conditions",
        nargs="+",
        type=_condition,
        default=[(5, 1), (5, 5), (20, 1), (20, 5)],
        metavar="WAYSxSHOTS",
    )
    chosen = parser.parse_args()
    common.start(chosen)
    found: dict[str, Any] = {}
    if chosen.part in ("oneshot", "all"):
        found["oneshot"] = background(chosen)
    if chosen.part in ("minimal", "all"):
        small = minimal(chosen)
        found["minimal"] = small
        if "error_percent" in small:
            found.setdefault("oneshot", {})["minimal_error_percent"] = small["error_percent"]
    if chosen.part in ("vinyals", "all"):
        found["vinyals"] = table(chosen)
    common.finish(found)


if __name__ == "__main__":
    main()
