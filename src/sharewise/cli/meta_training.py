"""`sharewise meta train`: a configuration becomes a trained learner in a run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from sharewise.cli.folders import CONFIG, METRICS, check_folder, finished_run, first_process
from sharewise.cli.meta_checks import check_learning, tell_differences, test_tasks
from sharewise.config import PreparedMeta, load_meta_config, prepare_meta, to_toml
from sharewise.data.episodes import EpisodeSource, catalog
from sharewise.files import MANIFEST, sha256
from sharewise.meta import Learner
from sharewise.serve import LearnerArtifact, save_learner
from sharewise.serve.learner import LEARNER
from sharewise.serve.learner_images import ImageReading
from sharewise.serve.learner_rows import RowReading
from sharewise.train import RichProgress, Run
from sharewise.train.meta import MetaResult, fit_learner
from sharewise.train.meta_evaluate import evaluate_learner
from sharewise.train.run import LOG, TIMING, WEIGHTS

KIND = "meta-training"
#: What such runs write.
OWN = frozenset({CONFIG, METRICS, MANIFEST, LEARNER, LOG, TIMING, WEIGHTS, "checkpoint"})


def run_meta_train(config: Path, out: Path) -> None:
    """Train the learner that a configuration describes, and leave a run in `out`."""
    prepared = prepare_meta(load_meta_config(config))
    check_folder(out, prepared.config, own=OWN, load=load_meta_config)
    if finished_run(out) is None:
        check_learning(prepared)
        tell_differences(Console(stderr=True), prepared)
    evidence = meta_train_into(prepared, out)
    if first_process():
        show_meta_training(Console(), evidence, out)


def meta_train_into(prepared: PreparedMeta, out: Path) -> dict[str, Any]:
    """Train, test and seal the run, or read a finished one; return the content of ``metrics.json``."""
    done = finished_run(out)
    if done is not None:
        return dict(done.read_json(METRICS))
    config, episodes, condition = prepared
    learner = config.learner.build(prepared.spec)
    result = fit_learner(
        learner,
        episodes.train,
        condition,
        config.train,
        valid=episodes.valid,
        folder=out,
        progress=RichProgress(unit="tasks"),
    )
    evidence = _evidence(prepared, learner, result)
    if first_process():
        run = Run.create(out)
        run.write(CONFIG, to_toml(config))
        save_learner(run, artifact_of(prepared, learner))
        run.write_json(METRICS, evidence)
        run.seal()
    return evidence


def artifact_of(prepared: PreparedMeta, learner: Learner) -> LearnerArtifact:
    """Return the learner with what it needs to read new examples."""
    config, episodes, condition = prepared
    table, image = episodes.table, learner.spec.inputs.image
    return LearnerArtifact(
        learner=learner,
        name=config.learner.name,
        options=config.learner.options,
        net=config.learner.net,
        condition=condition,
        rows=None if table is None else RowReading(table.task, table.schema, table.column),
        # The catalog's drawings are light on dark; those of people's folders are as they are.
        images=None
        if image is None
        else ImageReading(image[1], image[0] == 3, config.data.source in catalog.names()),
    )


def show_meta_training(console: Console, evidence: dict[str, Any], out: Path) -> None:
    """Print how good the learner is on tasks that it was not trained on."""
    grid = Grid("tasks", "episodes", evidence["test"]["metric"], "95 % interval", title=evidence["learner"])
    for split in ("valid", "test"):
        found = evidence[split]
        if found is not None:
            interval = f"{found['low']:.4g} to {found['high']:.4g}"
            grid.add_row(split, f"{found['episodes']:,}", f"{found['mean']:.4g}", interval)
    console.print(grid)
    for text in (
        f"The learner is in {out}. Measure it: sharewise meta evaluate {out} --out FOLDER",
        f"Use it: sharewise meta adapt {out} SUPPORT QUERY --out predictions.csv",
    ):
        console.print(text, markup=False)


def digest_of(prepared: PreparedMeta) -> str:
    """Return a text that differs where the tasks do."""
    episodes = prepared.episodes
    parts = [source.digest() for source in (episodes.train, episodes.valid, episodes.test) if source]
    return sha256(" ".join(parts).encode())


def _evidence(prepared: PreparedMeta, learner: Learner, result: MetaResult) -> dict[str, Any]:
    config, episodes, condition = prepared
    return {
        "kind": KIND,
        "learner": config.learner.name,
        "best_step": result.best_step,
        "steps": result.steps,
        "valid_score": result.best_score,
        "parameters": sum(parameter.numel() for parameter in learner.parameters()),
        "condition": condition.to_dict(),
        "valid": _summary(prepared, learner, episodes.valid, "valid"),
        "test": _summary(prepared, learner, test_tasks(prepared), "test"),
        "data": {
            "name": episodes.name,
            "description": episodes.description,
            "source": episodes.source,
            "licence": episodes.licence,
            "digest": digest_of(prepared),
        },
    }


def _summary(
    prepared: PreparedMeta, learner: Learner, source: EpisodeSource | None, name: str
) -> dict[str, Any] | None:
    if source is None:
        return None
    evaluate = prepared.config.evaluate
    return evaluate_learner(
        learner,
        source,
        prepared.condition,
        episodes=evaluate.episodes,
        seed=evaluate.seed,
        name=name,
        scale=prepared.scale,
    ).summary()
