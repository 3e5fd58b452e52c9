"""`sharewise rank candidates`: a configuration and a log become candidates in a run's folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid

from sharewise.cli.folders import CONFIG, METRICS, check_folder, keeping_config
from sharewise.config.candidates import load_candidates_config
from sharewise.errors import ConfigError, DataError
from sharewise.files import MANIFEST
from sharewise.ranking.candidates.artifact import CANDIDATES, KIND, LEARNT
from sharewise.ranking.candidates.fit import CandidatesResult, fit_candidates
from sharewise.ranking.candidates.recall import MERGED
from sharewise.ranking.partitions import ASIDE
from sharewise.train import RichProgress
from sharewise.train.run import LOG, TIMING

__all__ = ["KIND", "run_rank_candidates", "show_recall"]

#: What such runs write.
OWN = frozenset({CONFIG, METRICS, MANIFEST, CANDIDATES, LEARNT, LOG, TIMING, ASIDE, "checkpoint"})


def run_rank_candidates(config: Path, out: Path, follow: bool = False) -> None:
    """Learn the candidates that a configuration describes, and leave a run in `out`."""
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ConfigError("Candidates are learnt by one process.", "Start the command without torchrun.")
    chosen = load_candidates_config(config)
    check_folder(out, chosen, own=OWN, load=load_candidates_config)
    with keeping_config(out, chosen):
        progress = RichProgress(label="learning")
        waiting = chosen.follow if follow else None
        result = fit_candidates(
            chosen.log.source, chosen.plan(), folder=out, follow=waiting, progress=progress
        )
    if result.proposer is None:
        raise DataError(_nothing(result, chosen.log.source), "Mend the partitions, or name another folder.")
    console = Console()
    show_recall(console, result.recall)
    if result.aside:
        console.print(f"{len(result.aside)} partitions are set aside: {out / ASIDE}", markup=False)
    speed = result.rows / result.seconds
    console.print(f"{result.rows:,} rows at {speed:,.0f} rows/s. The candidates are in {out}", markup=False)


def show_recall(console: Console, recall: dict[str, Any]) -> None:
    """Print how much of what users wanted was proposed, before anything was learnt from it."""
    if not recall["requests"]:
        console.print("Nothing is measured yet: the first partition only teaches.", markup=False)
        return
    sources = {name: values for name, values in recall.items() if isinstance(values, dict)}
    lengths = list(sources[MERGED])
    lengths += [length for own in sources.values() for length in own if length not in lengths]
    lengths.sort(key=lambda text: int(text[1:]))
    grid = Grid(
        "source", title="recall", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False
    )
    for length in lengths:
        grid.add_column(length, justify="right")
    for name, own in sources.items():
        if name == MERGED:
            grid.add_section()
        grid.add_row(name, *(f"{own[length]:.3f}" if length in own else "-" for length in lengths))
    console.print(grid)
    console.print(
        f"{recall['requests']:,} requests; {recall['new']:.1%} of what was wanted had not come before",
        markup=False,
        highlight=False,
    )


def _nothing(result: CandidatesResult, source: str) -> str:
    if result.aside:
        first = result.aside[0]
        return f"No partition in '{source}' can be learnt from; of '{first.name}': {first.reason}"
    return f"There is no partition in '{source}'."
