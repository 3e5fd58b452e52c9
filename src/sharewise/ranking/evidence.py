"""All that a finished run has to say of itself, as plain values: what a page shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sharewise.errors import DataError
from sharewise.files import reported
from sharewise.ranking.artifact import METRICS, load_ranker
from sharewise.ranking.front import TuneOptions
from sharewise.ranking.kept import Kept, read_kept
from sharewise.ranking.orders import against_truth
from sharewise.ranking.partitions import ASIDE
from sharewise.ranking.ranker import Ranker
from sharewise.ranking.tuning import tune
from sharewise.train.run import Run

#: What says of a world how it was made, beside its folder of truth.
WORLD = "world.json"


def kept_of(folder: Path) -> list[Kept]:
    """Return what a run kept of its last partitions, in the order of time."""
    return list(read_kept(folder, [record["partition"] for record in Run.open(folder).history()]))


def evidence_of(folder: Path, options: TuneOptions, truth: Path | None = None) -> dict[str, Any]:
    """Return the evidence of a run.

    Args:
        folder: of a finished run.
        options: of the front.
        truth: of the world that wrote the log, if one did.

    Returns:
        ``metrics`` as in ``metrics.json``; ``history``, the records of its log; ``set_aside``; ``alarm``, the
        weight from which gates are polarised, and ``polarised``, in how many partitions each task's was;
        ``places``, the learned curves of the position and the true ones; ``front`` and ``truth``, None
        without predictions or truth.

    Raises:
        CheckpointError: if the run is not finished, or damaged.
        ConfigError, DataError: if the truth is not that of the run's log.
    """
    run, ranker = Run.open(folder), load_ranker(folder)
    history = run.history()
    kept = kept_of(folder)
    lists = ranker.plan.measure.group != "none" and bool(kept)
    return {
        "metrics": run.read_json(METRICS),
        "history": history,
        "polarised": polarised(history, ranker.plan.tasks.names),
        "set_aside": [json.loads(line) for line in run.read(ASIDE).splitlines()],
        "alarm": ranker.plan.measure.alarm,
        "places": places(ranker, kept, None if truth is None else world_of(truth)),
        "front": tune(kept, ranker, options, truth) if lists else None,
        "truth": None if truth is None else against_truth(kept, truth, ranker.plan),
    }


def polarised(history: Sequence[dict[str, Any]], tasks: Sequence[str]) -> dict[str, int] | None:
    """Return in how many partitions each task's gate was polarised; None if there are no gates."""
    gates = [record["gates"] for record in history if record["gates"] is not None]
    return {name: sum(name in own["polarised"] for own in gates) for name in tasks} if gates else None


def world_of(truth: Path) -> dict[str, Any] | None:
    """Return what the world of a folder of truth says of itself; None if it says nothing.

    Raises:
        DataError: if it is unreadable.
    """
    path = truth.parent / WORLD
    if not path.is_file():
        return None
    with reported(path, "read"):
        content = path.read_bytes()
    try:
        return dict(json.loads(content))
    except ValueError as error:
        raise DataError(f"'{path}' is no JSON.", "Simulate the world anew.") from error


def places(ranker: Ranker, kept: list[Kept], world: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return what the tower has learnt of every device's places that were shown.

    Args:
        ranker: of the run.
        kept: rows with positions.
        world: what a world says of itself, with the true curves.

    Returns:
        A curve a device: ``{"device", "positions", "learned"}``, logits with the first place at 0; with a
        world also ``"true"``, the logarithm of the chance that a place is examined, and the
        ``"correlation"`` of both.
    """
    if ranker.model.offset is None or not kept or "position" not in kept[-1].frame.columns:
        return []
    rows, task = kept[-1].frame, ranker.plan.bias.tasks[0]
    positions = sorted(rows["position"].drop_nulls().unique().to_list())
    devices = sorted(rows["device"].drop_nulls().unique().to_list()) if "device" in rows.columns else [None]
    curves = {} if world is None else {one["name"]: one["curve"] for one in world["devices"]}
    found = []
    for device in devices:
        learned = ranker.place_bias(positions, device)[task]
        seen = ~np.isnan(learned)
        if not seen.any():
            continue
        own = [position for position, known in zip(positions, seen.tolist(), strict=True) if known]
        curve = {
            "device": device or "",
            "positions": own,
            "learned": (learned - learned[seen][0])[seen].tolist(),
        }
        if device in curves:
            curve |= _beside(curve, curves[device])
        found.append(curve)
    return found


def _beside(curve: dict[str, Any], true: list[float]) -> dict[str, Any]:
    own = np.log([true[position - 1] for position in curve["positions"]])
    together = float(np.corrcoef(own, curve["learned"])[0, 1]) if len(own) > 1 else None
    return {"true": (own - own[0]).tolist(), "correlation": together}
