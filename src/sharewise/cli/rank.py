"""The commands of `sharewise rank`: what they take and say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Ranking: from a log of impressions to a ranked list.", no_args_is_help=True, rich_markup_mode=None
)

Out = Annotated[Path, typer.Option(help="The folder to write.", show_default=False)]


@app.command()
def simulate(
    out: Out,
    config: Annotated[
        Path | None,
        typer.Argument(
            help="A TOML file with the table [world]; left out, a million impressions.", show_default=False
        ),
    ] = None,
) -> None:
    """Simulate a video platform: its log by the hour, and the truth behind it. Given again, it goes on."""
    from sharewise.cli.rank_simulating import run_rank_simulate

    run_rank_simulate(config, out)
