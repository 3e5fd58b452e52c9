"""A ranker as files: what a run leaves, and what scores candidates from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch

from sharewise.errors import CheckpointError
from sharewise.files import MANIFEST
from sharewise.ranking.kept import FOLDER as KEPT
from sharewise.ranking.kept import kept_files
from sharewise.ranking.partitions import ASIDE
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.ranker import Ranker
from sharewise.ranking.schema import LogSchema
from sharewise.ranking.state import StreamState
from sharewise.train.result import Log
from sharewise.train.run import LOG, TIMING, Run
from sharewise.train.state import plain

KIND = "ranking"
RANKER, ENCODING, METRICS = "ranker.json", "encoding.safetensors", "metrics.json"
#: Of ``ranker.json``; a reader refuses any other.
FORMAT = 1


def save_run(folder: Path, state: StreamState, log: Log, timing: dict[str, Any]) -> None:
    """Write the ranker with its measures and seal the run, unless it lies there whole as it is.

    Args:
        folder: of the run; ``set_aside.jsonl`` is there, and stays.
        state: with a course.
        log: of the run.
        timing: what is not the same from run to run.
    """
    run, course = Run.create(folder), state.course
    if course is None or (run.manifest is not None and run.read(LOG) == log.content):
        return
    ranker = course.ranker
    values = {"format": FORMAT, "plan": ranker.plan.to_dict(), "schema": course.schema.to_dict()}
    run.write_json(RANKER, values)
    run.write(ENCODING, safetensors.torch.save(plain(ranker.encoding.tensors())))
    run.write_weights(ranker.model)
    run.write(LOG, log.content)
    run.write(ASIDE, (folder / ASIDE).read_bytes())
    run.write_json(METRICS, summary(state))
    for name in run.names:
        if name.startswith(f"{KEPT}/"):
            run.leave_out(name)
    for name in kept_files(folder, [entry.name for entry in state.ledger.done]):
        run.take_in(name)
    run.write_json(TIMING, timing)
    for name in ("config.toml",):
        if (folder / name).is_file():
            run.write(name, (folder / name).read_bytes())
    run.seal()


def summary(state: StreamState) -> dict[str, Any]:
    """Return what a run has to say of itself, for ``metrics.json``."""
    course, ledger = state.course, state.ledger
    found = {
        "kind": KIND,
        "partitions": len(ledger.done),
        "set_aside": len(ledger.aside),
        "rows": sum(entry.rows for entry in ledger.done),
    }
    if course is None:
        return found
    cost = course.ranker.model.cost()
    return {
        **found,
        "sharing": course.ranker.plan.model.sharing,
        "parameters": cost.parameters,
        "multiplications": cost.multiplications,
        "measures": {**course.measures.record(), "calibration": course.measures.calibration()},
    }


def load_ranker(folder: str | Path) -> Ranker:
    """Return the ranker of a run, to predict with.

    Raises:
        CheckpointError: if it is not finished, damaged, or of another version.
    """
    run = Run.open(folder)
    values = run.read_json(RANKER)
    if values["format"] != FORMAT:
        raise CheckpointError(
            f"The ranker in '{folder}' is of another version (format {values['format']}, not {FORMAT}).",
            "Load it with the version that wrote it.",
        )
    ranker = Ranker(RankPlan.from_dict(values["plan"]), LogSchema.from_dict(values["schema"]))
    ranker.encoding.load(safetensors.torch.load(run.read(ENCODING)))
    ranker.model.tasks = ranker.encoding.tasks
    run.load_weights(ranker.model)
    ranker.model.eval()
    return ranker


def history_of(folder: str | Path) -> list[dict[str, Any]]:
    """Return the records of a run's log, finished or going on.

    Raises:
        CheckpointError: if there is none, or a finished run is damaged.
    """
    folder = Path(folder)
    if (folder / MANIFEST).is_file() and not (folder / LOG).is_file():
        return Run.open(folder).history()
    if not (folder / LOG).is_file():
        raise CheckpointError(f"'{folder}' holds no run of a ranker.", "Name the folder of one.")
    lines = (folder / LOG).read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1]]  # a line that has no end is being written
