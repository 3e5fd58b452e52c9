"""Who may write where: a run's folder is new, empty, or that of the same configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from sharewise import files
from sharewise.config import load_config, to_toml
from sharewise.config.options import Section
from sharewise.errors import CheckpointError, ConfigError, SharewiseError
from sharewise.files import MANIFEST
from sharewise.train import Run

CONFIG, METRICS, REPORT = "config.toml", "metrics.json", "report.html"
#: What runs write; a folder with anything else is somebody's.
OWN = frozenset(
    {
        CONFIG,
        METRICS,
        REPORT,
        MANIFEST,
        "checkpoint",
        "demo.json",
        "log.jsonl",
        "model.json",
        "model.safetensors",
        "predictions.csv",
        "schema.json",
        "timing.json",
        "trials",
    }
)


def first_process() -> bool:
    """True in the one process that writes and prints; torchrun numbers them."""
    return os.environ.get("RANK", "0") == "0"


def check_folder(
    out: Path,
    config: object,
    *,
    own: Collection[str] = OWN,
    load: Callable[[Path], object] = load_config,
) -> None:
    """Refuse a folder that holds something else than a run of this configuration.

    Args:
        out: the folder; it need not be there.
        config: of the run.
        own: names of what such runs write.
        load: reads a configuration of this sort.

    Raises:
        ConfigError: if it is a file, holds other files, or the run of another configuration.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"'{out}' is a file.", "Name a folder for the run.")
    foreign = sorted(p.name for p in out.iterdir() if p.name not in own and not _temporary(p))
    if foreign:
        raise ConfigError(
            f"'{out}' holds '{foreign[0]}', which is no run's.", "Choose an empty or a new folder."
        )
    if (out / CONFIG).exists() and (stored := _stored(out, load)) != config:
        raise ConfigError(
            f"'{out}' holds a run of another configuration{_differing(stored, config)}.",
            "Choose another folder, or remove this one.",
        )


def check_sealed(path: Path) -> None:
    """Refuse to write over a file that belongs to a finished run.

    Raises:
        ConfigError: if it does.
    """
    run = finished_run(path.absolute().parent)
    if run is not None and path.name in run.names:
        raise ConfigError(f"'{path}' belongs to the run in that folder.", "Choose another name or folder.")


def add_page(run: Run, page: str) -> None:
    """Write a run's page, and seal the run anew; whenever that ends, it is whole."""
    if REPORT in run.names:
        run.leave_out(REPORT)
        run.seal()
    run.write(REPORT, page)
    run.seal()


def finished_run(out: Path) -> Run | None:
    """Return the run of this folder if it is finished and whole."""
    try:
        run = Run.open(out)
    except CheckpointError:
        return None
    return run if METRICS in run.names else None


def _temporary(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".tmp")


def _stored(out: Path, load: Callable[[Path], object]) -> object:
    try:
        return load(out / CONFIG)
    except SharewiseError:
        return None


def _differing(stored: object, config: object) -> str:
    """Return ": these tables differ" in words; "" where there is nothing to compare."""
    if not (isinstance(stored, Section) and isinstance(config, Section)):
        return ""
    own, other = stored.model_dump(), config.model_dump()
    tables = [f"[{name}]" for name in own if own[name] != other.get(name)]
    return f": {', '.join(tables)} {'differs' if len(tables) == 1 else 'differ'}" if tables else ""


@contextmanager
def keeping_config(out: Path, config: Section) -> Iterator[None]:
    """Keep the configuration in the folder of its run; not if the run is refused before its first checkpoint:
    mended, the configuration will be another.
    """
    fresh = first_process() and not (out / CONFIG).is_file()
    if fresh:
        files.make_folder(out)
        files.write_bytes(out / CONFIG, to_toml(config).encode())
    try:
        yield
    except SharewiseError:
        if fresh and not (out / "checkpoint").exists():
            files.remove(out / CONFIG)
        raise


def check_page(out: Path) -> None:
    """Refuse the name of a page, whose numbers go beside it, that cannot be written.

    Raises:
        ConfigError: if it is none, a folder, or part of a sealed run.
    """
    if out.suffix != ".html":
        raise ConfigError(f"'{out}' is no name of a page.", "Let it end in .html.")
    for path in (out, out.with_suffix(".json")):
        if path.is_dir():
            raise ConfigError(f"'{path}' is a folder.", "Name a file for the page.")
        check_sealed(path)
