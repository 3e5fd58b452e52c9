"""`sharewise rank recommend`: a ranker and candidates answer requests with ranked lists."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from rich.console import Console

from sharewise.cli.folders import check_sealed
from sharewise.data import read_frame
from sharewise.ranking.artifact import load_ranker
from sharewise.ranking.candidates.artifact import load_candidates
from sharewise.ranking.recommend import recommend
from sharewise.serve import check_path, write_predictions


def run_rank_recommend(ranker: Path, candidates: Path, requests: str, out: Path, count: int) -> None:
    """Recommend for the requests of a table and write the lists as a file."""
    check_path(out)
    check_sealed(out)
    asked = read_frame(requests)
    found = recommend(load_ranker(ranker), load_candidates(candidates), asked, count)
    flat = found.with_columns(pl.col("sources").list.join("+"))
    write_predictions(flat, out)
    Console().print(f"{len(flat):,} recommendations for {len(asked):,} requests are in {out}", markup=False)
