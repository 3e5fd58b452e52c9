"""`sharewise rank train`: a configuration and a log become a ranker in a run's folder."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from sharewise.cli.folders import CONFIG, METRICS, check_folder, first_process, keeping_config
from sharewise.cli.rank_evaluating import show_measures
from sharewise.config.rank_train import load_rank_config
from sharewise.errors import DataError
from sharewise.files import MANIFEST
from sharewise.ranking.artifact import ENCODING, RANKER
from sharewise.ranking.fit import StreamResult, fit_stream
from sharewise.ranking.kept import FOLDER as KEPT
from sharewise.ranking.partitions import ASIDE
from sharewise.train import RichProgress
from sharewise.train.run import LOG, TIMING, WEIGHTS

#: What such runs write.
OWN = frozenset(
    {CONFIG, METRICS, MANIFEST, RANKER, ENCODING, LOG, TIMING, WEIGHTS, ASIDE, KEPT, "checkpoint"}
)


def run_rank_train(config: Path, out: Path, follow: bool = False) -> None:
    """Train the ranker that a configuration describes, and leave a run in `out`."""
    chosen = load_rank_config(config)
    check_folder(out, chosen, own=OWN, load=load_rank_config)
    waiting = chosen.follow if follow else None
    with keeping_config(out, chosen):
        result = fit_stream(
            chosen.log.source, chosen.plan(), folder=out, follow=waiting, progress=RichProgress()
        )
    if result.ranker is None:
        raise DataError(_nothing(result, chosen.log.source), "Mend the partitions, or name another folder.")
    if first_process():
        _tell(Console(), result, out)


def _tell(console: Console, result: StreamResult, out: Path) -> None:
    show_measures(console, result.history, result.measures)
    if result.aside:
        console.print(f"{len(result.aside)} partitions are set aside: {out / ASIDE}", markup=False)
    console.print(
        f"{result.rows:,} rows at {result.rows_per_second:,.0f} rows/s. The ranker is in {out}", markup=False
    )


def _nothing(result: StreamResult, source: str) -> str:
    if result.aside:
        first = result.aside[0]
        return f"No partition in '{source}' can be trained on; of '{first.name}': {first.reason}"
    return f"There is no partition in '{source}'."
