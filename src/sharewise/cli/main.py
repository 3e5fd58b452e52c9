"""The commands: what they take and say. Each imports its work when it is called, so that help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sharewise.cli import meta, rank
from sharewise.cli.edge import guarded
from sharewise.cli.server_options import Host, Port, TokenFile, Waiting, Workers

app = typer.Typer(
    name="sharewise",
    help="Multi-task learning with evidence: what should these tasks share?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(meta.app, name="meta")
app.add_typer(rank.app, name="rank")

Config = Annotated[Path, typer.Argument(help="The run's configuration, a TOML file.", show_default=False)]
Out = Annotated[Path, typer.Option(help="The folder to write.", show_default=False)]
Diagnose = Annotated[
    bool,
    typer.Option("--diagnose", help="Look often at how the tasks' gradients agree, for the log and report."),
]
Run = Annotated[Path, typer.Argument(help="The folder of a finished run.", show_default=False)]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The folder that the demo writes.")] = Path("runs/demo"),
    again: Annotated[bool, typer.Option("--again", help="Run it anew, even if it is there.")] = False,
    every: Annotated[int, typer.Option(min=1, help="Take only every n-th flight.")] = 1,
) -> None:
    """Compare ways of sharing on real flights, then train and predict with one of them."""
    from sharewise.cli.demo import run_demo

    run_demo(out, again=again, every=every)


@app.command()
def train(config: Config, out: Out, diagnose: Diagnose = False) -> None:
    """Train the model of a configuration. Given again, the same command goes on where it stopped."""
    from sharewise.cli.training import run_train

    run_train(config, out, diagnose)


@app.command()
def compare(config: Config, out: Out, diagnose: Diagnose = False) -> None:
    """Compare sharing structures with independent networks: helps, hurts, or can't tell, for every task."""
    from sharewise.cli.comparing import run_compare

    run_compare(config, out, diagnose)


@app.command()
def predict(
    run: Run,
    data: Annotated[str, typer.Argument(help="CSV or Parquet: a path or a glob.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The file to write: .csv or .parquet.", show_default=False)],
) -> None:
    """Predict for the rows of a table with a trained run."""
    from sharewise.cli.output import run_predict

    run_predict(run, data, out)


@app.command()
def export(run: Run, out: Out) -> None:
    """Export the model of a run, of a table or a ranker: ONNX and torch.export, checked against it."""
    from sharewise.cli.exporting import run_export

    run_export(run, out)


@app.command()
def serve(
    run: Annotated[
        Path, typer.Argument(help="The folder of a run of a table, or of its export.", show_default=False)
    ],
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token_file: TokenFile = None,
    workers: Workers = 1,
    waiting: Waiting = 64,
) -> None:
    """Serve predictions of a trained model over HTTP."""
    from functools import partial

    from sharewise.cli.serving import run_serve
    from sharewise.web import ServerOptions

    run_serve(run, token_file, partial(ServerOptions, host, port, workers=workers, waiting=waiting))


@app.command("list")
def list_names(
    name: Annotated[
        str | None, typer.Argument(help="Say all of this one, its options among it.", show_default=False)
    ] = None,
) -> None:
    """List the names that a configuration can use: structures, kinds, data sets, samplers and more."""
    from sharewise.cli.describing import run_describe
    from sharewise.cli.listing import run_list

    if name is None:
        run_list()
    else:
        run_describe(name)


@app.command()
def report(run: Run) -> None:
    """Print the result of a finished run; of a comparison, also write its page anew."""
    from sharewise.cli.output import run_report

    run_report(run)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(f"sharewise {installed('sharewise')}")


def main(argv: list[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0, 2 for a user's mistake, 130 if interrupted."""
    guarded(app, argv)
