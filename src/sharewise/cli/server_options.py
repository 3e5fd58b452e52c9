"""Options of the commands that serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(help="The port.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(help="A file with the token that requests must bring.", show_default=False),
]
Workers = Annotated[int, typer.Option(help="Threads that answer.")]
Waiting = Annotated[int, typer.Option(help="Requests that may wait or be answered; others get 503.")]
