"""`sharewise serve`: a trained model of tables answers over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from sharewise.cli.token import read_token
from sharewise.web import ServerOptions, check_server, run_app


def run_serve(folder: Path, token: Path | None, limits: Callable[..., ServerOptions]) -> None:
    """Serve until interrupted.

    Args:
        folder: of a run, or of an export.
        token: a file that holds the token; None for none.
        limits: token -> options.
    """
    check_server()
    from sharewise.serve.http import load_either, make_prediction_app

    options = limits(token=read_token(token))
    model = load_either(folder)
    console = Console()

    def started() -> None:
        said = f"Serving {folder} on http://{options.host}:{options.port}"
        console.print(said, markup=False, highlight=False, soft_wrap=True)
        sys.stdout.flush()

    run_app(make_prediction_app(model, folder, options), options, started)
