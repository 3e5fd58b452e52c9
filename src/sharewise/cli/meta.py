"""The commands of `sharewise meta`: what they take and say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Meta-learning: a few examples give a predictor.", no_args_is_help=True, rich_markup_mode=None
)

Config = Annotated[Path, typer.Argument(help="The run's configuration, a TOML file.", show_default=False)]
Out = Annotated[Path, typer.Option(help="The folder to write.", show_default=False)]
Run = Annotated[Path, typer.Argument(help="The folder of a trained learner.", show_default=False)]


@app.command()
def train(config: Config, out: Out) -> None:
    """Train the learner of a configuration. Given again, the same command goes on where it stopped."""
    from sharewise.cli.meta_training import run_meta_train

    run_meta_train(config, out)


@app.command()
def evaluate(
    run: Run,
    out: Out,
    shots: Annotated[
        list[int] | None,
        typer.Option(help="Number of examples to test with; as often as wanted.", show_default=False),
    ] = None,
    steps: Annotated[
        list[int] | None,
        typer.Option(help="Steps of adaptation to test after; as often as wanted.", show_default=False),
    ] = None,
    episodes: Annotated[
        int | None, typer.Option(help="Test episodes at every number of shots.", show_default=False)
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="Another run on the same tasks, to compare with; as often as wanted."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Where the data is now, if it was moved since.", show_default=False)
    ] = None,
) -> None:
    """Measure a trained learner beside baselines, at every number of shots; writes a report.

    What is not said here is as in [evaluate] of the run's configuration.
    """
    from sharewise.cli.meta_evaluating import Asked, run_meta_evaluate

    run_meta_evaluate(run, out, Asked(shots, steps, episodes, tuple(beside or ()), data))


@app.command()
def adapt(
    run: Run,
    support: Annotated[
        str,
        typer.Argument(
            help="The examples: a table with the label, or a folder of images with a sub-folder a class.",
            show_default=False,
        ),
    ],
    query: Annotated[
        str, typer.Argument(help="What to predict for: a table, or a folder of images.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The file to write: .csv or .parquet.", show_default=False)],
    steps: Annotated[
        int | None, typer.Option(help="Steps of adaptation; as many as in training, if left out.")
    ] = None,
) -> None:
    """Learn from a few examples with a trained learner, and predict."""
    from sharewise.cli.meta_adapting import run_meta_adapt

    run_meta_adapt(run, support, query, out, steps)
