"""`sharewise rank serve`: a ranker and candidates answer over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from sharewise.errors import ConfigError
from sharewise.files import reported
from sharewise.ranking.service import FeedbackLog, Service, ServiceOptions
from sharewise.ranking.service.run import check_server, run_service


def run_rank_serve(
    ranker: Path,
    candidates: Path,
    log: Path,
    models: Path | None,
    token: Path | None,
    limits: Callable[..., ServiceOptions],
) -> None:
    """Serve until interrupted.

    Args:
        ranker, candidates: folders.
        log: the folder to write lists and feedback to.
        models: the folder whose sub-folders may become versions.
        token: a file that holds the token.
        limits: token -> options.
    """
    check_server()
    options = limits(token=_token(token))
    if models is not None and not models.is_dir():
        raise ConfigError(f"There is no folder '{models}' of models.", "Name one, or leave --models out.")
    feedback = FeedbackLog(log, options.settle)
    try:
        service = Service(ranker, candidates, feedback, models, options.threads)
        version, console = service.versions.current, Console()

        def started() -> None:
            console.print(
                f"Serving {ranker} and {candidates} ({version.digest}, {version.engine}) on "
                f"http://{options.host}:{options.port}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            sys.stdout.flush()

        run_service(service, options, started)
    finally:
        feedback.close()


def _token(path: Path | None) -> str:
    if path is None:
        return ""
    with reported(path, "read"):
        found = path.read_text(encoding="utf-8", errors="replace").strip()
    if not found.isascii() or not found.isprintable() or len(found) < 16:
        raise ConfigError(
            f"'{path}' holds no token.", "Write at least 16 printable ASCII characters into it."
        )
    return found
