"""The tables of a configuration. Every key has the name of the argument that it becomes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from sharewise.balance import ENGINES, METHODS, Balancer, make_balancer, options_of
from sharewise.config.options import Section, checked, mistake
from sharewise.data import ColumnSplit, Features, FractionSplit, GroupSplit, Split, TimeSplit
from sharewise.errors import ConfigError, SharewiseError, nearest
from sharewise.nn import ModelOptions
from sharewise.tasks import Task, TaskSet
from sharewise.tasks.kinds import kind_from_dict
from sharewise.train import TrainOptions


class ByFraction(Section):
    """Rows at random: ``{ by = "fraction", valid = 0.1, test = 0.1, seed = 0 }``."""

    by: Literal["fraction"] = "fraction"
    valid: float = 0.1
    test: float = 0.1
    seed: int = 0

    def build(self) -> Split:
        return FractionSplit(self.valid, self.test, self.seed)


class ByTime(Section):
    """The past trains, the future tests: ``{ by = "time", column, valid, test }``, the moments they begin."""

    by: Literal["time"] = "time"
    column: str
    valid: str | float
    test: str | float

    def build(self) -> Split:
        return TimeSplit(self.column, str(self.valid), str(self.test))


class ByGroup(Section):
    """Whole groups stay together: ``{ by = "group", column = "user" }``."""

    by: Literal["group"] = "group"
    column: str
    valid: float = 0.1
    test: float = 0.1
    seed: int = 0

    def build(self) -> Split:
        return GroupSplit(self.column, self.valid, self.test, self.seed)


class ByColumn(Section):
    """A column says "train", "valid" or "test": ``{ by = "column", column = "part" }``."""

    by: Literal["column"] = "column"
    column: str

    def build(self) -> Split:
        return ColumnSplit(self.column)


SplitConfig = Annotated[ByFraction | ByTime | ByGroup | ByColumn, Field(discriminator="by")]


class DataConfig(Section):
    """``[data]``: the table and how it is read; see `sharewise.Table`.

    Attributes:
        source: a catalog name, or a path or glob of tables, relative to the configuration's folder.
        options: arguments of the catalog entry, such as ``p`` of mmoe-synthetic.
        every: take only every n-th row, for a quick look.
        split: how rows are divided; by default the catalog's own way, or fractions.
        features: which columns are inputs, and of what kind; by default the catalog's choice, or all.
        task_column: for disjoint data: the column that tells the row's task.
        descriptor_columns: for disjoint data: columns that describe the row's task.
        weight: a column of row weights.
        cluster: a column of rows that belong together in intervals, such as the day.
    """

    source: str
    every: int = Field(default=1, ge=1)
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    split: SplitConfig | None = None
    features: Annotated[Features, checked(Features)] | None = None
    task_column: str | None = None
    descriptor_columns: tuple[str, ...] | None = None
    descriptor_text: str | None = None
    weight: str | None = None
    cluster: str | None = None


class LabelConfig(Section):
    """What is predicted: ``[task]`` of meta-learning, and the first keys of each of ``[[tasks]]``."""

    name: str
    kind: str | dict[str, Any] = "binary"
    label: str = ""

    @model_validator(mode="after")
    def _check(self) -> LabelConfig:
        try:
            self.build()
        except SharewiseError as error:
            raise mistake(error) from error
        return self

    def build(self) -> Task:
        """Return the task.

        Raises:
            ConfigError: if the kind or its options are unknown, or a value is out of range.
        """
        kind = {"name": self.kind} if isinstance(self.kind, str) else self.kind
        try:
            made = kind_from_dict(kind)
        except TypeError as error:
            raise ConfigError(
                f"Task '{self.name}' has a kind that cannot be made of {kind}.",
                'Write kind = "regression", or kind = { name = "regression", noise = "laplace" }.',
            ) from error
        own = {key: getattr(self, key) for key in type(self).model_fields}
        return Task(**{**own, "kind": made})


class TaskConfig(LabelConfig):
    """``[[tasks]]``: one thing to predict; see `sharewise.Task`."""

    weight: float = 1.0
    classes: tuple[str, ...] = ()
    attributes: tuple[float, ...] = ()
    text: str = ""


class BalanceConfig(Section):
    """``[balance]``: how the tasks' losses are weighted against each other; see `sharewise.balance`.

    Attributes:
        method: a name of `sharewise list`; its own arguments are keys beside it, such as ``weights``.
        engine: how gradients are compared, for methods that ask for them: "ghost", "last_shared" or "exact".
        every: steps between two looks at the gradients; the weights are kept in between.
        precision: in which they are compared: "fp32", "bf16", or "auto": bf16 where the hardware gains by it.
    """

    model_config = ConfigDict(extra="allow")

    method: str = "equal"
    engine: str = "ghost"
    every: int = Field(default=1, ge=1)
    precision: Literal["auto", "fp32", "bf16"] = "auto"

    @model_validator(mode="after")
    def _check(self) -> BalanceConfig:
        if self.method not in METHODS:
            error = ConfigError(f"Method '{self.method}' is unknown.", nearest(self.method, tuple(METHODS)))
            raise mistake(error)
        if self.engine not in ENGINES:
            raise mistake(
                ConfigError(f"Engine '{self.engine}' is unknown.", nearest(self.engine, tuple(ENGINES)))
            )
        known = list(options_of(self.method))
        for key in self.model_extra or {}:
            if key not in known:
                error = ConfigError(
                    f"Method '{self.method}' takes no '{key}'.",
                    nearest(key, [*known, "method", "engine", "every", "precision"]),
                )
                raise mistake(error)
        return self

    def build(self, tasks: TaskSet) -> Balancer:
        """Return the balancer for these tasks."""
        options = self.model_extra or {}
        return make_balancer(
            tasks, self.method, engine=self.engine, every=self.every, precision=self.precision, **options
        )


class StudyConfig(Section):
    """``[study]``: what `sharewise compare` compares; every structure gets the same budget.

    Attributes:
        structures: names, or tables of model options; what they leave out is taken from ``[model]``.
        seeds: runs of every structure.
        learning_rates: tried for every structure on the validation split; by default that of ``[train]``.
        jobs: runs at a time.
    """

    structures: tuple[Annotated[ModelOptions, checked(ModelOptions)], ...] = ()
    seeds: int = Field(default=3, ge=1, le=10_000)
    learning_rates: tuple[Annotated[float, Field(gt=0)], ...] = ()
    jobs: int = Field(default=1, ge=1)


class RunConfig(Section):
    """All of a run. `sharewise.config.load_config` reads it from TOML, `to_toml` writes it."""

    data: DataConfig
    tasks: tuple[TaskConfig, ...] = ()
    model: Annotated[ModelOptions, checked(ModelOptions)] = ModelOptions()
    train: Annotated[TrainOptions, checked(TrainOptions)] = TrainOptions()
    balance: BalanceConfig = BalanceConfig()
    study: StudyConfig = StudyConfig()

    @model_validator(mode="after")
    def _check_names(self) -> RunConfig:
        names = [task.name for task in self.tasks]
        for name in names:
            if names.count(name) > 1:
                error = ConfigError(f"Two tasks are called '{name}'.", "Give every task a name of its own.")
                raise mistake(error)
        return self
