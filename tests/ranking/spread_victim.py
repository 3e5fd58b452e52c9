"""Trains a ranker whose embeddings are spread: ``spread_victim.py LOG FOLDER``; started by torchrun."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from rank_victim import PLAN

from sharewise.ranking.fit import fit_stream

SPREAD = replace(PLAN, train=replace(PLAN.train, spread=True, clip=0.5))

if __name__ == "__main__":
    fit_stream(sys.argv[1], SPREAD, folder=Path(sys.argv[2]))
