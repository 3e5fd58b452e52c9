"""The world's folder: ``log/`` and ``truth/`` with a file an hour, and ``world.json`` that says what it is.

An hour is simulated while the one before is written. The log's file comes last: where it is, the hour is
whole. What is there already is not written again, though the world has to live through it to go on.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from sharewise.errors import ConfigError
from sharewise.files import make_folder, reported, sweep, write_bytes, write_json
from sharewise.ranking.world.devices import DEVICES, examination
from sharewise.ranking.world.options import WorldOptions
from sharewise.ranking.world.world import Hour, Tally, World, hour_name

ABOUT, LOG, TRUTH = "world.json", "log", "truth"
#: Of the formulas: with others, the same options give another world.
VERSION = 1
#: Of zstd: the fastest, since most columns are noise.
LEVEL = 1


def write_world(
    options: WorldOptions, folder: Path, heard: Callable[[Hour], None] = lambda hour: None
) -> Tally:
    """Simulate a world into a folder, or go on with one that stopped or had fewer hours.

    Args:
        options: of the world.
        folder: new, empty, or that of the same world.
        heard: is told of every hour.

    Returns:
        The sums over all hours.

    Raises:
        ConfigError: if the folder holds something else.
        SharewiseError: if it cannot be written to.
    """
    check_world_folder(options, folder)
    for place in (folder, folder / LOG, folder / TRUTH):
        make_folder(place)
        sweep(place)
    write_json(folder / ABOUT, about(options))
    world, tally = World(options), Tally()
    with ThreadPoolExecutor(1) as writer:
        pending: Future[None] | None = None
        while world.hour < options.hours:
            name = hour_name(world.began(world.hour))
            hour = world.step(frames=not _written(folder, name))
            if pending is not None:
                pending.result()
            pending = writer.submit(_write, folder, hour)
            tally = tally.plus(hour.tally)
            heard(hour)
        if pending is not None:
            pending.result()
    return tally


def about(options: WorldOptions) -> dict[str, Any]:
    """Return what ``world.json`` says: the options, and the true position bias by device."""
    curves = examination(options.slate)
    return {
        "kind": "world",
        "version": VERSION,
        "options": options.to_dict(),
        "examination": "floor + (1 - floor) * position ** -decay",
        "devices": [
            {**asdict(device), "curve": [round(float(value), 6) for value in curve]}
            for device, curve in zip(DEVICES, curves, strict=True)
        ],
    }


def check_world_folder(options: WorldOptions, folder: Path) -> None:
    """Refuse a folder that holds something else than this world.

    Raises:
        ConfigError: if it is a file, has other things in it, or another world, or more hours of this one.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"'{folder}' is a file.", "Name a folder for the world.")
    if not (folder / ABOUT).exists():
        foreign = sorted(path.name for path in folder.iterdir() if not path.name.endswith(".tmp"))
        if foreign:
            raise ConfigError(
                f"'{folder}' holds '{foreign[0]}', which is no world's.", "Choose an empty or a new folder."
            )
        return
    stored = _stored(folder / ABOUT)
    if stored is None or _lasting(stored) != _lasting(about(options)):
        raise ConfigError(
            f"'{folder}' holds a world of other options, or of another version.",
            "Choose another folder, or remove this one.",
        )
    if stored["options"]["hours"] > options.hours:
        raise ConfigError(
            f"'{folder}' holds {stored['options']['hours']} hours of this world, more than {options.hours}.",
            "Ask for as many or more, or choose another folder.",
        )


def _stored(path: Path) -> dict[str, Any] | None:
    """Return a ``world.json``, None if it is something else."""
    with reported(path, "read"):
        content = path.read_bytes()
    try:
        values = json.loads(content)
        return dict(values) if isinstance(values["options"]["hours"], int) else None
    except (ValueError, KeyError, TypeError):
        return None


def _lasting(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out the hours: more of them begin with the same ones."""
    return {**values, "options": {**values["options"], "hours": None}}


def _written(folder: Path, name: str) -> bool:
    return (folder / LOG / f"{name}.parquet").exists() and (folder / TRUTH / f"{name}.parquet").exists()


def _write(folder: Path, hour: Hour) -> None:
    for place, frame in ((TRUTH, hour.truth), (LOG, hour.log)):
        if frame is not None:
            write_bytes(folder / place / f"{hour.name}.parquet", _parquet(frame))


def _parquet(frame: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.write_parquet(content, compression="zstd", compression_level=LEVEL)
    return content.getvalue()
