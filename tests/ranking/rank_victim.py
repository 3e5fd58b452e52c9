"""Trains a ranker on a log: ``rank_victim.py LOG FOLDER``; started by torchrun, or to be killed."""

from __future__ import annotations

import sys
from pathlib import Path

from sharewise.nn import ModelOptions
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.options import StreamOptions
from sharewise.ranking.plan import RankPlan

MODEL = ModelOptions(sharing="mmoe", hidden=(8,), tower=(4,), experts=2, embedding=4, encoder_hidden=(8,))
PLAN = RankPlan(
    model=MODEL, train=StreamOptions(batch_size=128, learning_rate=3e-3, device="cpu", checkpoint_every=0)
)

if __name__ == "__main__":
    fit_stream(sys.argv[1], PLAN, folder=Path(sys.argv[2]))
