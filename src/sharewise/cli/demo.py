"""`sharewise demo`: the whole way on real flights, from question to predictions; kept, and shown again."""

from __future__ import annotations

from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table as Grid

from sharewise.cli.comparing import compare_into, show_comparison
from sharewise.cli.folders import CONFIG, METRICS, check_folder, finished_run
from sharewise.config import RunConfig, config_digest, parse_config, prepare
from sharewise.data import catalog
from sharewise.errors import ConfigError
from sharewise.files import MANIFEST, remove
from sharewise.serve import load
from sharewise.train import Run

DEMO, PREDICTIONS = "demo.json", "predictions.csv"
#: Columns of a flight that say which one it is, and how it went.
SHOWN = ("scheduled", "carrier", "origin", "dest", "dep_delay", "arr_delay")
ROWS = 5


def run_demo(out: Path, *, again: bool = False, every: int = 1) -> None:
    """Compare structures on the flights, save the best model and predict; or show what is there already."""
    console, config = Console(), demo_config(every)
    run = None if again else _found(out, config)
    if run is None:
        run = _make(console, config, out, again)
    show_comparison(console, run.read_json(METRICS), out)
    _show_predictions(console, pl.read_csv(run.read(PREDICTIONS)))


def demo_config(every: int = 1) -> RunConfig:
    """Return the demo's configuration, on every n-th flight."""
    text = resources.files("sharewise.cli").joinpath("demo.toml").read_text(encoding="utf-8")
    config = parse_config(text, source="demo.toml")
    return config.model_copy(update={"data": config.data.model_copy(update={"every": every})})


def _make(console: Console, config: RunConfig, out: Path, again: bool) -> Run:
    console.print("Six tasks on the flights that left New York City in 2013. What should they share?")
    prepared = prepare(config)
    check_folder(out, prepared.config)
    if again and out.exists() and any(out.iterdir()):
        if not any((out / name).exists() for name in (CONFIG, MANIFEST)):
            raise ConfigError(
                f"'{out}' holds no finished run, so it stays.",
                "Remove it yourself, or name another.",
            )
        remove(out)
    compare_into(prepared, out)
    run = Run.create(out)
    run.write(PREDICTIONS, _predictions(out).write_csv())
    run.write_json(DEMO, {"asked": _asked(config)})
    run.seal()
    return run


def _found(out: Path, config: RunConfig) -> Run | None:
    run = finished_run(out)
    if run is None or DEMO not in run.names:
        return None
    return run if run.read_json(DEMO) == {"asked": _asked(config)} else None


def _asked(config: RunConfig) -> str:
    return f"{version('sharewise')} {config_digest(config)}"


def _predictions(out: Path) -> pl.DataFrame:
    """Predict for some of the last flights of the year, which no model has trained on."""
    flights = catalog.load("flights").frame.lazy().tail(1000).gather_every(1000 // ROWS).collect()
    shown = flights.select(SHOWN).with_columns(pl.col("scheduled").dt.to_string("%Y-%m-%d %H:%M"))
    return pl.concat([shown, load(out).predict(flights)], how="horizontal")


def _show_predictions(console: Console, frame: pl.DataFrame) -> None:
    grid = Grid(title="some flights that the model has not seen", title_justify="left", title_style="bold")
    grid.box, grid.show_header = None, False
    for name in frame.columns:
        if name == frame.columns[len(SHOWN)]:
            grid.add_section()
            grid.add_row("predicted:")
        grid.add_row(name, *map(_cell, frame[name]))
    console.print(grid)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
