"""Candidates as files: what a run leaves, and what proposes items from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch

from sharewise.errors import CheckpointError
from sharewise.ranking.candidates.columns import LogColumns
from sharewise.ranking.candidates.plan import CandidatePlan
from sharewise.ranking.candidates.proposer import Proposer
from sharewise.ranking.candidates.retriever import Retriever
from sharewise.ranking.candidates.state import CandidateState
from sharewise.ranking.partitions import ASIDE
from sharewise.train.result import Log
from sharewise.train.run import LOG, TIMING, Run

KIND = "candidates"
CANDIDATES, LEARNT, METRICS = "candidates.json", "candidates.safetensors", "metrics.json"
#: Of ``candidates.json``; a reader refuses any other.
FORMAT = 1


def save_candidates(folder: Path, state: CandidateState, log: Log, timing: dict[str, Any]) -> None:
    """Write what was learnt with its recall and seal the run, unless it lies there whole as it is.

    Args:
        folder: of the run; ``set_aside.jsonl`` is there, and stays.
        state: of the run; nothing is written before anything was learnt.
        log: of the run.
        timing: what is not the same from run to run.
    """
    run, proposer = Run.create(folder), state.proposer
    if proposer is None:
        return
    aside = (folder / ASIDE).read_bytes()
    if run.manifest is not None and (run.read(LOG), run.read(ASIDE)) == (log.content, aside):
        return
    values = {"format": FORMAT, "plan": state.plan.to_dict(), "columns": proposer.columns.to_dict()}
    run.write_json(CANDIDATES, values)
    run.write(LEARNT, safetensors.torch.save(proposer.tensors()))
    run.write(LOG, log.content)
    run.write(ASIDE, aside)
    run.write_json(METRICS, summary(state))
    run.write_json(TIMING, timing)
    if (folder / "config.toml").is_file():
        run.write("config.toml", (folder / "config.toml").read_bytes())
    run.seal()


def summary(state: CandidateState) -> dict[str, Any]:
    """Return what a run has to say of itself, for ``metrics.json``."""
    ledger, proposer = state.ledger, state.proposer
    return {
        "kind": KIND,
        "partitions": len(ledger.done),
        "set_aside": len(ledger.aside),
        "rows": sum(entry.rows for entry in ledger.done),
        "items": len(proposer.catalogue) if proposer else 0,
        "users": len(proposer.users) if proposer else 0,
        "recall": state.recall.record(),
    }


def load_candidates(folder: str | Path) -> Retriever:
    """Return what a run learnt, to propose items with.

    Raises:
        CheckpointError: if it is not finished, damaged, of another version, or no run of candidates.
    """
    run = Run.open(folder)
    if CANDIDATES not in run.names:
        raise CheckpointError(f"'{folder}' holds no candidates.", "Name the folder of such a run.")
    values = run.read_json(CANDIDATES)
    if values["format"] != FORMAT:
        raise CheckpointError(
            f"The candidates in '{folder}' are of another version (format {values['format']}, not {FORMAT}).",
            "Load them with the version that wrote them.",
        )
    columns = LogColumns.from_dict(values["columns"])
    proposer = Proposer(CandidatePlan.from_dict(values["plan"]), columns)
    proposer.load(safetensors.torch.load(run.read(LEARNT)))
    return Retriever(proposer)
