"""The commands of `sharewise rank`: what they take and say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sharewise.cli.server_options import Host, Port, TokenFile, Waiting, Workers

app = typer.Typer(
    help="Ranking: from a log of impressions to a ranked list.", no_args_is_help=True, rich_markup_mode=None
)

Out = Annotated[Path, typer.Option(help="The folder to write.", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(help="The folder of a ranker's training.", show_default=False)]
Truth = Annotated[
    Path | None,
    typer.Option(help="The folder of a simulated world's truth, to measure against.", show_default=False),
]
Engagement = Annotated[
    str,
    typer.Option(
        help="What feedback is worth as engagement: SQL over the tasks' labels.", show_default=False
    ),
]
Satisfaction = Annotated[str, typer.Option(help="The same as satisfaction.", show_default=False)]
Follow = Annotated[bool, typer.Option("--follow", help="Wait for new partitions of the log.")]
Draws = Annotated[int, typer.Option(help="Weights to try.")]


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


@app.command()
def train(
    config: Annotated[
        Path, typer.Argument(help="The ranker's configuration, a TOML file.", show_default=False)
    ],
    out: Out,
    follow: Follow = False,
) -> None:
    """Train a ranker on a log in the order of time. Given again, the same command goes on."""
    from sharewise.cli.rank_training import run_rank_train

    run_rank_train(config, out, follow)


@app.command()
def evaluate(
    run: RunFolder,
    truth: Truth = None,
) -> None:
    """Print how good a ranker was on every partition before it was trained on it."""
    from sharewise.cli.rank_evaluating import run_rank_evaluate

    run_rank_evaluate(run, truth)


@app.command()
def tune(
    run: RunFolder,
    engagement: Engagement = "",
    satisfaction: Satisfaction = "",
    draws: Draws = 256,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    truth: Truth = None,
) -> None:
    """Print the engagement-satisfaction front of a ranker's score, and weights to paste."""
    from sharewise.cli.rank_tuning import run_rank_tune
    from sharewise.ranking.front import TuneOptions

    options = TuneOptions(draws=draws, seed=seed, engagement=engagement, satisfaction=satisfaction)
    run_rank_tune(run, options, truth)


@app.command()
def report(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help="The page to write; its numbers go beside it, as .json.")],
    engagement: Engagement = "",
    satisfaction: Satisfaction = "",
    draws: Draws = 256,
    truth: Truth = None,
) -> None:
    """Write a page of a ranker: its measures over time, places, gates, and the front of its score."""
    from sharewise.cli.rank_reporting import run_rank_report
    from sharewise.ranking.front import TuneOptions

    options = TuneOptions(draws=draws, engagement=engagement, satisfaction=satisfaction)
    run_rank_report(run, out, options, truth)


@app.command()
def candidates(
    config: Annotated[
        Path, typer.Argument(help="The candidates' configuration, a TOML file.", show_default=False)
    ],
    out: Out,
    follow: Follow = False,
) -> None:
    """Learn candidates from a log in the order of time, and measure their recall. Given again, it goes on."""
    from sharewise.cli.rank_candidates import run_rank_candidates

    run_rank_candidates(config, out, follow)


@app.command()
def recommend(
    ranker: Annotated[Path, typer.Argument(help="The folder of a ranker's training.", show_default=False)],
    candidates: Annotated[Path, typer.Argument(help="The folder of candidates.", show_default=False)],
    requests: Annotated[
        str,
        typer.Argument(
            help="CSV or Parquet: user, query and what else is known of a request.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(help="The file to write: .csv or .parquet.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="Items of a list.")] = 10,
) -> None:
    """Recommend: candidates for every request, ranked, with what is predicted of them."""
    from sharewise.cli.rank_recommending import run_rank_recommend

    run_rank_recommend(ranker, candidates, requests, out, count)


@app.command()
def serve(
    ranker: Annotated[
        Path, typer.Argument(help="An exported ranker, or the folder of its training.", show_default=False)
    ],
    candidates: Annotated[Path, typer.Argument(help="The folder of candidates.", show_default=False)],
    log: Annotated[
        Path,
        typer.Option(help="The folder that lists and their feedback are written to.", show_default=False),
    ],
    host: Host = "127.0.0.1",
    port: Port = 8000,
    models: Annotated[
        Path | None,
        typer.Option(
            help="A folder of rankers and candidates that POST /models may name.", show_default=False
        ),
    ] = None,
    experiments: Annotated[
        Path | None,
        typer.Option(help="A folder of experiments, one a TOML file.", show_default=False),
    ] = None,
    features: Annotated[
        str,
        typer.Option(
            help="Features of items and users: a SQLite file, which may be new, or redis://...",
            show_default=False,
        ),
    ] = "",
    token_file: TokenFile = None,
    workers: Workers = 1,
    waiting: Waiting = 64,
    settle: Annotated[
        float, typer.Option(help="Seconds after its hour for which a list takes feedback.")
    ] = 900.0,
) -> None:
    """Serve ranked lists over HTTP, and write what came of them as a log to train on."""
    from functools import partial

    from sharewise.cli.rank_serving import run_rank_serve
    from sharewise.ranking.service.options import ServiceOptions

    limits = partial(ServiceOptions, host, port, workers=workers, waiting=waiting, settle=settle)
    run_rank_serve(ranker, candidates, log, models, token_file, limits, experiments, features)


@app.command()
def experiment(
    plan: Annotated[
        Path, typer.Argument(help="The experiment, a TOML file with its arms.", show_default=False)
    ],
    log: Annotated[
        str, typer.Argument(help="The log that was served: a folder of partitions.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The page to write; its numbers go beside it, as .json.", show_default=False),
    ] = None,
) -> None:
    """Say what a log tells of an experiment: effects by user, intervals that allow for looking, alarms."""
    from sharewise.cli.rank_experiment import run_rank_experiment

    run_rank_experiment(plan, log, out)
