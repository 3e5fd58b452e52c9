"""Make of a meta-learning configuration its tasks, and a configuration that leaves nothing open."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sharewise.config.build import check_exists
from sharewise.config.meta_models import EpisodesConfig, MetaConfig
from sharewise.data import Features
from sharewise.data.catalog.lookup import Lookup
from sharewise.data.episodes import Condition, EpisodeSet, EpisodeSource, catalog, read_folder, read_tasks
from sharewise.errors import ConfigError, SharewiseError
from sharewise.meta import LEARNERS, Learner, Spec, make_learner
from sharewise.meta.make import BASELINES

#: Numbers of shots to test with, where a configuration names none and the data has so many.
SHOTS = (1, 5, 10)
#: What episodes of a table look like, where a configuration says nothing.
USUAL = Condition(shots=5, queries=15)
#: Keys of [data] that tell how a table is read.
OF_TABLES = ("task_column", "split", "features", "order")


class PreparedMeta(NamedTuple):
    """A configuration made ready to run.

    Attributes:
        config: with the defaults of the data and the learner written out; running it again gives the same.
        episodes: the tasks, read and encoded.
        condition: of the training episodes.
    """

    config: MetaConfig
    episodes: EpisodeSet
    condition: Condition

    @property
    def spec(self) -> Spec:
        """What a learner has to know of these episodes."""
        return Spec.of(self.episodes.train, self.condition)

    @property
    def scale(self) -> float:
        """Of the label: errors in standardised units times this are in the label's."""
        return self.episodes.table.task.scale if self.episodes.table else 1.0

    @property
    def mean(self) -> float:
        """Of the label, which is 0 in standardised units."""
        return self.episodes.table.task.mean if self.episodes.table else 0.0

    def baselines(self) -> dict[str, Learner]:
        """Return the baselines by name, untrained, with networks as the learner has one."""
        own = self.config.learner
        return {
            name: make_learner(name, self.spec, seed=own.seed, net=own.net)
            for name in self.config.evaluate.baselines or ()
        }


def prepare_meta(config: MetaConfig) -> PreparedMeta:
    """Read the tasks that the configuration names.

    Raises:
        ConfigError: if the source is missing, or keys do not fit its sort.
        DataError: if the data does not fit the rest.
    """
    found = _read(config)
    condition = config.episodes.over(found.condition)
    return PreparedMeta(_resolved(config, found, condition), found, condition)


def _read(config: MetaConfig) -> EpisodeSet:
    data = config.data
    if data.source in catalog.names():
        _refuse_table_keys(config, "a source of the catalog")
        return catalog.load(data.source, **data.options)
    check_exists(data.source, catalog.names())
    if Path(data.source).is_dir():
        _refuse_table_keys(config, "a folder of images")
        return _read_images(data.source, data.options)
    return _read_table(config)


def _read_images(source: str, options: dict[str, Any]) -> EpisodeSet:
    def load(
        size: int = 28,
        colour: bool = False,
        valid: float = 0.2,
        test: float = 0.2,
        seed: int = 0,
        within: float = 0.0,
    ) -> EpisodeSet:
        return read_folder(source, size, colour=colour, valid=valid, test=test, seed=seed, within=within)

    return Lookup({"images": load}, "folder of").load("images", options)


def _read_table(config: MetaConfig) -> EpisodeSet:
    data = config.data
    if data.options:
        raise ConfigError("A table takes no [data.options].", "Remove that table.")
    if config.task is None:
        raise ConfigError("The configuration has no [task].", "Add it, with a name, a kind and a label.")
    if data.task_column is None:
        raise ConfigError(
            "[data] has no task_column.", "Name the column whose value tells a row's task, such as the user."
        )
    found = read_tasks(
        data.source,
        config.task.build(),
        data.task_column,
        split=data.split.build() if data.split else None,
        features=data.features or Features(),
        order=data.order,
    )
    return EpisodeSet(
        name=Path(data.source).name,
        train=found.train,
        valid=found.valid,
        test=found.test,
        condition=USUAL,
        description=f"Tasks are the values of '{data.task_column}' in '{Path(data.source).name}'.",
        source=data.source,
        licence="the table's own",
        table=found,
    )


def _refuse_table_keys(config: MetaConfig, what: str) -> None:
    for key in OF_TABLES:
        if getattr(config.data, key) is not None:
            raise ConfigError(f"{key} in [data] is for tables, but the source is {what}.", "Remove that key.")
    if config.task is not None:
        raise ConfigError(f"[task] is for tables, but the source is {what}.", "Remove that table.")


def _resolved(config: MetaConfig, found: EpisodeSet, condition: Condition) -> MetaConfig:
    """Write what was decided into the configuration where it leaves it open."""
    name = config.data.source
    options = {**(catalog.options(name) if name in catalog.names() else {}), **config.data.options}
    learner = config.learner
    full = learner.model_copy()
    full.__pydantic_extra__ = learner.options
    shots = config.evaluate.shots
    evaluate = {
        "shots": _shots(found.test, condition) if shots is None else shots,
        "baselines": _baselines(config, found.train),
    }
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"options": options}),
            "episodes": EpisodesConfig(**condition.to_dict()),
            "learner": full,
            "evaluate": config.evaluate.model_copy(update=evaluate),
        }
    )


def _shots(test: EpisodeSource | None, condition: Condition) -> tuple[int, ...]:
    """Return the usual numbers of shots, as far as the test tasks have so many examples."""
    fit = tuple(shots for shots in SHOTS if test is not None and _fits(test, condition, shots))
    return fit or (condition.most_shots,)


def _fits(test: EpisodeSource, condition: Condition, shots: int) -> bool:
    try:
        test.check(Condition(shots, condition.queries, condition.ways))
    except SharewiseError:
        return False
    return True


def _baselines(config: MetaConfig, train: EpisodeSource) -> tuple[str, ...]:
    """Return what the learner is compared with: what was named, or all that can learn such labels.

    Raises:
        ConfigError: if a named one cannot, or is the learner itself.
    """
    own, kind = config.learner.name, train.kind.name
    able = [name for name in BASELINES if not LEARNERS[name].kinds or kind in LEARNERS[name].kinds]
    if config.evaluate.baselines is None:
        return tuple(name for name in able if name != own)
    for name in config.evaluate.baselines:
        if name not in able:
            raise ConfigError(
                f"Baseline '{name}' cannot learn labels of kind '{kind}'.", f"Use {', '.join(able)}."
            )
        if name == own:
            raise ConfigError(f"'{name}' is the learner itself.", "Leave it out of the baselines.")
    return config.evaluate.baselines
