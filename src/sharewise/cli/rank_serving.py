"""`sharewise rank serve`: a ranker and candidates answer over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from sharewise.cli.token import read_token
from sharewise.config.experiment import load_experiment
from sharewise.errors import ConfigError
from sharewise.ranking.experiment import ExperimentPlan
from sharewise.ranking.service import FeedbackLog, Service, ServiceOptions
from sharewise.ranking.service.stores import open_store
from sharewise.report import render_service
from sharewise.web import check_server, run_app


def run_rank_serve(
    ranker: Path,
    candidates: Path,
    log: Path,
    models: Path | None,
    token: Path | None,
    limits: Callable[..., ServiceOptions],
    experiments: Path | None = None,
    features: str = "",
) -> None:
    """Serve until interrupted.

    Args:
        ranker, candidates: folders.
        log: the folder to write lists and feedback to.
        models: the folder whose sub-folders may become versions.
        token: a file that holds the token.
        limits: token -> options.
        experiments: a folder of experiments, one a TOML file; None for none.
        features: a SQLite file of features of items and users, or the address of a Redis; "" for none.
    """
    check_server()
    options = limits(token=read_token(token))
    if models is not None and not models.is_dir():
        raise ConfigError(f"There is no folder '{models}' of models.", "Name one, or leave --models out.")
    plans = partial(_plans, experiments)
    plans()
    store = open_store(features) if features else None
    feedback = FeedbackLog(log, options.settle)
    try:
        service = Service(ranker, candidates, feedback, models, options.threads, plans, store)
        version, console = service.versions.current.base, Console()

        def started() -> None:
            console.print(
                f"Serving {ranker} and {candidates} ({version.digest}, {version.engine}) on "
                f"http://{options.host}:{options.port}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            sys.stdout.flush()

        from sharewise.ranking.service.app import make_app

        run_app(make_app(service, options, render_service), options, started)
    finally:
        feedback.close()


def _plans(folder: Path | None) -> list[ExperimentPlan]:
    """Return the experiments of a folder, by the names of their files."""
    if folder is None:
        return []
    if not folder.is_dir():
        raise ConfigError(f"There is no folder '{folder}' of experiments.", "Name one with a TOML file each.")
    return [load_experiment(path).plan() for path in sorted(folder.glob("*.toml"))]
