"""The tables of a ranker's training. Every key has the name of the argument that it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from sharewise.config.load import located, parse_toml, read_text, validated
from sharewise.config.models import BalanceConfig, TaskConfig
from sharewise.config.options import Section, checked, mistake
from sharewise.errors import SharewiseError
from sharewise.nn import ModelOptions
from sharewise.ranking.objectives import default_tasks
from sharewise.ranking.options import (
    BiasOptions,
    BlendOptions,
    Follow,
    LogOptions,
    MeasureOptions,
    StreamOptions,
)
from sharewise.ranking.plan import MODEL, RankPlan
from sharewise.tasks import TaskSet


def as_kind(value: Any) -> Any:
    """Let the kind alone stand for its table: ``bias = "tower"``."""
    return {"kind": value} if isinstance(value, str) else value


class RankLogConfig(Section):
    """``[log]``: where the partitions are and what their columns mean; see `LogOptions`.

    Attributes:
        source: a folder of Parquet files, or a glob, relative to the configuration's folder; names are in
            the order of time.
    """

    source: str
    columns: dict[str, str] = Field(default_factory=dict)
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    hashed: dict[str, int] = Field(default_factory=dict)
    most: int = LogOptions.most

    @model_validator(mode="after")
    def _check(self) -> RankLogConfig:
        try:
            self.build()
        except SharewiseError as error:
            raise mistake(error) from error
        return self

    def build(self) -> LogOptions:
        """Return the options."""
        return LogOptions(**{key: getattr(self, key) for key in type(self).model_fields if key != "source"})


class RankConfig(Section):
    """All of a ranker's training. `load_rank_config` reads it from TOML, `to_toml` writes it.

    What ``[model]`` leaves out is as in the ranker's own default, not as in that of a table.
    """

    log: RankLogConfig
    tasks: tuple[TaskConfig, ...] = ()
    model: Annotated[ModelOptions, checked(ModelOptions)] = MODEL
    bias: Annotated[BiasOptions, checked(BiasOptions), BeforeValidator(as_kind)] = BiasOptions()
    blend: Annotated[BlendOptions, checked(BlendOptions), BeforeValidator(as_kind)] = BlendOptions()
    measure: Annotated[MeasureOptions, checked(MeasureOptions)] = MeasureOptions()
    train: Annotated[StreamOptions, checked(StreamOptions)] = StreamOptions()
    balance: BalanceConfig = BalanceConfig()
    follow: Annotated[Follow, checked(Follow)] = Follow()

    @model_validator(mode="after")
    def _check(self) -> RankConfig:
        try:
            plan = self.plan()
            self.balance.build(plan.tasks)
        except SharewiseError as error:
            raise mistake(error) from error
        return self

    def plan(self) -> RankPlan:
        """Return the ranker's plan."""
        tasks = TaskSet(task.build() for task in self.tasks) if self.tasks else default_tasks()
        balance = {**self.balance.model_dump(), **(self.balance.model_extra or {})}
        parts = {key: getattr(self, key) for key in ("model", "bias", "blend", "measure", "train")}
        return RankPlan(tasks=tasks, log=self.log.build(), balance=balance, **parts)


def load_rank_config(path: str | Path) -> RankConfig:
    """Read a configuration file; a relative `source` is taken from the file's folder.

    Raises:
        ConfigError: if the file cannot be read, is not TOML, or has keys or values that are not valid.
    """
    path = Path(path)
    return parse_rank_config(read_text(path), source=path.name, folder=path.parent)


def parse_rank_config(text: str, source: str = "The configuration", folder: Path = Path()) -> RankConfig:
    """Turn TOML text into a `RankConfig`; `source` names it in messages.

    Raises:
        ConfigError: as `load_rank_config`.
    """
    document = parse_toml(text, source)
    model = document.get("model", {})
    if isinstance(model, dict):
        document = {**document, "model": {**_usual(), **model}}
    config = validated(document, RankConfig, source)
    where = located(config.log.source, (), folder)
    return config.model_copy(update={"log": config.log.model_copy(update={"source": where})})


def _usual() -> dict[str, Any]:
    """Return what the ranker's own default says of a model, as TOML has it."""
    names = ("sharing", "hidden", "tower", "experts", "encoder_hidden")
    values = {name: getattr(MODEL, name) for name in names}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
