"""`sharewise meta evaluate`: a trained learner beside baselines becomes evidence and a report."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from sharewise.cli.folders import CONFIG, METRICS, REPORT, add_page, check_folder, finished_run
from sharewise.cli.meta_checks import check_baselines, check_tests, tell_differences, test_tasks
from sharewise.cli.meta_training import digest_of
from sharewise.config import (
    MetaConfig,
    PreparedMeta,
    load_meta_config,
    parse_meta_config,
    prepare_meta,
    to_toml,
)
from sharewise.config.load import located
from sharewise.data.episodes import catalog
from sharewise.data.episodes.condition import ends
from sharewise.errors import ConfigError, DataError, DivergedError
from sharewise.files import MANIFEST
from sharewise.meta import Learner
from sharewise.meta.gradient import GradientLearner
from sharewise.meta.make import BASELINES as BASELINE_NAMES
from sharewise.report import render_fewshot
from sharewise.serve import load_learner
from sharewise.study import RichStudyProgress
from sharewise.study.fewshot import choose_rate, measure
from sharewise.train import RichProgress, Run
from sharewise.train.meta import fit_learner
from sharewise.train.meta_options import MetaOptions
from sharewise.train.run import TIMING

KIND = "few-shot"
BASELINES = "baselines"
#: What evaluations write.
OWN = frozenset({CONFIG, METRICS, MANIFEST, REPORT, TIMING, BASELINES})


@dataclass(frozen=True)
class Asked:
    """What is asked for in place of what the run's configuration says, where it is not None.

    Attributes:
        shots, steps, episodes: of the test.
        beside: folders of other learners to compare with.
        data: the path of the run's data.
    """

    shots: list[int] | None = None
    steps: list[int] | None = None
    episodes: int | None = None
    beside: tuple[Path, ...] = ()
    data: str | None = None

    def over(self, config: MetaConfig) -> MetaConfig:
        """Return the configuration with what is asked for.

        Raises:
            ConfigError: if no test can be so.
        """
        asked = {"shots": self.shots, "steps": self.steps, "episodes": self.episodes}
        own: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        plan = replace(config.evaluate.plan(), **own)  # which checks them
        evaluate = config.evaluate.model_copy(update={name: getattr(plan, name) for name in own})
        update: dict[str, Any] = {"evaluate": evaluate}
        if self.data is not None:
            if config.data.source in catalog.names():
                raise ConfigError(
                    f"The run's data is '{config.data.source}' of the catalog, which has no path.",
                    "Leave --data out; SHAREWISE_DATA says where the catalog's files are.",
                )
            source = located(self.data, catalog.names(), Path())
            update["data"] = config.data.model_copy(update={"source": source})
        return config.model_copy(update=update)


class Trained(NamedTuple):
    """A run with its learner."""

    name: str
    learner: Learner
    run: Run


def run_meta_evaluate(folder: Path, out: Path, asked: Asked = Asked()) -> None:
    """Measure the learner of a run beside baselines, and leave evidence and a report in `out`."""
    own, *others = _open([folder, *asked.beside])
    config = asked.over(parse_meta_config(own.run.read(CONFIG).decode(), source=str(folder / CONFIG)))
    check_folder(out, config, own=OWN, load=load_meta_config)
    evidence = _finished(out, own, others)
    if evidence is None:
        prepared = prepare_meta(config)
        for one in (own, *others):
            _check_data(prepared, one.run)
        check_tests(prepared)
        check_baselines(prepared)
        tell_differences(Console(stderr=True), prepared)
        evidence = _measure_into(prepared, own, others, out)
    show_meta_evaluation(Console(), evidence, out)


def _open(folders: Sequence[Path]) -> list[Trained]:
    """Return the runs, each under its learner's name, or its folder's where that is taken."""
    found: list[Trained] = []
    for folder in folders:
        artifact, run = load_learner(folder), Run.open(folder)
        taken = {one.name for one in found} | set(BASELINE_NAMES)
        free = [name for name in (artifact.name, folder.name, str(folder)) if name not in taken]
        if not free or run.digest in {one.run.digest for one in found}:
            raise ConfigError(f"'{folder}' is given twice.", "Name every run once.")
        found.append(Trained(free[0] if found else artifact.name, artifact.learner, run))
    return found


def show_meta_evaluation(console: Console, evidence: dict[str, Any], out: Path) -> None:
    """Print the results and where the page is."""
    episodes = evidence["plan"]["episodes"]
    title = f"{evidence['metric']} on {episodes:,} test episodes, and the 95 % interval's reach"
    entries = evidence["by_shots"]
    grid = Grid("learner", *(_shots(entry["shots"]) for entry in entries), title=title)
    for one in evidence["learners"]:
        cells = (_cell(entry["learners"].get(one["name"])) for entry in entries)
        grid.add_row(Text(one["name"]), *cells)
    console.print(grid)
    verdict = evidence["verdict"]
    for text in (verdict["headline"], *verdict["sentences"], *verdict["notes"]):
        console.print(text, markup=False)
    console.print(f"The report: {out / REPORT}", markup=False)


def add_fewshot_report(run: Run, evidence: dict[str, Any], config: str) -> None:
    """Write the page of a measurement into its folder."""
    add_page(run, render_fewshot(evidence, config))


def _shots(count: int) -> str:
    return f"{count} {'shot' if count == 1 else 'shots'}"


def _cell(found: dict[str, float] | None) -> str:
    return "" if found is None else f"{found['mean']:.4g} ± {(found['high'] - found['low']) / 2:.2g}"


def _finished(out: Path, own: Trained, others: Sequence[Trained]) -> dict[str, Any] | None:
    done = finished_run(out)
    if done is None:
        return None
    evidence: dict[str, Any] = done.read_json(METRICS)
    if (evidence.get("run"), evidence.get("beside", {})) != (own.run.digest, _digests(others)):
        raise ConfigError(
            f"'{out}' holds the measurement of another run, or beside others.",
            "Choose another folder, or remove this one.",
        )
    return evidence


def _digests(others: Sequence[Trained]) -> dict[str, str]:
    return {one.name: one.run.digest for one in others}


def _check_data(prepared: PreparedMeta, run: Run) -> None:
    """Refuse tasks that are not those of the training: the test's might be among the trained ones."""
    if digest_of(prepared) != run.read_json(METRICS)["data"]["digest"]:
        raise DataError(
            f"'{prepared.config.data.source}' is not what '{run.folder}' was trained on: its rows, their "
            "labels or which tasks are for training have changed.",
            "Bring the data back, or train again.",
        )


def _measure_into(
    prepared: PreparedMeta, own: Trained, others: Sequence[Trained], out: Path
) -> dict[str, Any]:
    config = prepared.config
    baselines, failed = _baselines(prepared, out)
    found = measure(
        {**{one.name: one.learner for one in (own, *others)}, **baselines},
        test_tasks(prepared),
        config.evaluate.plan(),
        trained=prepared.condition,
        scale=prepared.scale,
        mean=prepared.mean,
        failed=failed,
        progress=RichStudyProgress(),
    )
    timing = {"seconds": found.pop("seconds")}
    evidence = {"run": own.run.digest, **({"beside": _digests(others)} if others else {}), **found}
    folder = Run.create(out)
    folder.write(CONFIG, to_toml(config))
    folder.write_json(METRICS, evidence)
    folder.write_json(TIMING, timing)
    add_fewshot_report(folder, evidence, to_toml(config))
    return evidence


def _baselines(prepared: PreparedMeta, out: Path) -> tuple[dict[str, Learner], dict[str, str]]:
    """Return what the learner is compared with, and those whose training failed, each with the reason.

    They are trained as long as it and with its options, but by Adam at its usual rate where those are the
    ones of plain steps (Reptile's). Those that take steps have their rate chosen on the validation tasks, if
    there are any.
    """
    found, failed, train = prepared.baselines(), {}, prepared.config.train
    if train.optimizer == "sgd":
        train = replace(train, optimizer="adam", learning_rate=MetaOptions.learning_rate)
    valid, low, high = prepared.episodes.valid, *ends(prepared.condition.shots)
    rated = replace(prepared.condition, shots=(max(low, 1), max(high, 1)))
    for name, learner in tuple(found.items()):
        if learner.trained:
            try:
                fit_learner(
                    learner,
                    prepared.episodes.train,
                    prepared.condition,
                    train,
                    valid=prepared.episodes.valid,
                    folder=out / BASELINES / name,
                    progress=RichProgress(label=name, unit="tasks"),
                )
            except DivergedError as error:
                del found[name]
                failed[name] = f"its training diverged. {error.problem}"
                continue
        if isinstance(learner, GradientLearner) and learner.stepwise and valid is not None:
            # One that cannot read such episodes is left out of the test, which says why.
            with suppress(DataError):
                seed = prepared.config.train.seed
                choose_rate(learner, valid, rated, seed=seed, progress=RichStudyProgress())
    return found, failed
