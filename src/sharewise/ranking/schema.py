"""Which columns of a log are what: settled by the first partition, and held to by all that follow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from sharewise.data.growing import value_type
from sharewise.data.labels import label_columns
from sharewise.errors import ConfigError, DataError, nearest
from sharewise.ranking.log import COLUMNS, FEEDBACK
from sharewise.ranking.plan import RankPlan

#: The log's own columns that are features, by vocabulary even where they are numbers.
NAMES = ("user", "query", "item", "device", "source")


@dataclass(frozen=True)
class LogSchema:
    """A log's columns, by the names that the log's description has for them.

    Attributes:
        vocabulary: columns whose values get rows, and whether they are "number" or "text".
        hashed: columns by hash, and their buckets.
        counts, numbers: columns of numbers, the former by their logarithm.
        others: columns that are read but are no features: what labels, places and groups are made of.
        own: the file's name of each column that has another one there.
    """

    vocabulary: dict[str, str]
    hashed: dict[str, int]
    counts: tuple[str, ...]
    numbers: tuple[str, ...]
    others: tuple[str, ...]
    own: dict[str, str]

    @property
    def features(self) -> tuple[str, ...]:
        """All columns that are features."""
        return (*self.vocabulary, *self.hashed, *self.counts, *self.numbers)

    @property
    def needed(self) -> tuple[str, ...]:
        """All columns that are read."""
        return tuple(dict.fromkeys((*self.features, *self.others)))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> LogSchema:
        lists = {key: tuple(values[key]) for key in ("counts", "numbers", "others")}
        return LogSchema(**{**values, **lists})


def settle(types: dict[str, pl.DataType], plan: RankPlan) -> LogSchema:
    """Return the schema of a log from the types of its first partition.

    Args:
        types: by the file's names.
        plan: of the ranker.

    Raises:
        ConfigError: if the plan names a column that is not there, or says two things of one.
        DataError: if a label's column is missing, or nothing is left to predict from.
    """
    types, own = renamed(types, plan.log.columns)
    known = list(types)
    labels = [column for task in plan.tasks for column in label_columns(task, known)]
    others = tuple(dict.fromkeys([*labels, *_needed(plan, known)]))
    features = [name for name in known if name not in _apart(plan, labels)]
    _check_named(plan, features, known)
    schema = LogSchema({}, {}, (), (), others, own)
    for name in features:
        schema = _with(schema, name, types[name], plan)
    cohort = plan.measure.cohort
    if cohort != "none" and cohort not in schema.vocabulary:
        raise ConfigError(
            f"Column '{cohort}' tells no cohorts apart: it has no vocabulary.",
            "Choose another column for measure.cohort, or set it to 'none'.",
        )
    if not schema.features:
        raise DataError("The log has no columns to predict from.", "Keep at least one feature.")
    return schema


def renamed(
    types: dict[str, pl.DataType], columns: dict[str, str]
) -> tuple[dict[str, pl.DataType], dict[str, str]]:
    """Return the types by the log's names, and the file's name of each column that has another one there.

    Args:
        types: by the file's names.
        columns: names of one's own, by the log's.

    Raises:
        ConfigError: if one of them is not there, or two columns would have one name.
    """
    for role, name in columns.items():
        if name not in types:
            raise ConfigError(
                f"The log has no column '{name}', which is to be its '{role}'.", nearest(name, tuple(types))
            )
        if role in types and role not in columns.values() and role != name:
            raise ConfigError(
                f"The log has both '{name}', which is to be its '{role}', and a column '{role}'.",
                f"Rename one of them: columns.{role} = '...'.",
            )
    roles = {name: role for role, name in columns.items()}
    if len(roles) < len(columns):
        raise ConfigError("Two of the log's columns have the same name of one's own.", "Name each once.")
    own = {role: name for role, name in columns.items() if role != name}
    return {roles.get(name, name): dtype for name, dtype in types.items()}, own


def _needed(plan: RankPlan, known: list[str]) -> list[str]:
    wanted = {"group": plan.measure.group, "cohort": plan.measure.cohort}
    if plan.bias.kind != "none":
        wanted["bias"] = "position"
    for why, name in wanted.items():
        if name != "none" and name not in known:
            raise ConfigError(
                f"The log has no column '{name}', which {why} needs.",
                f"Name it in columns, or set {why} to 'none'. {nearest(name, tuple(known))}",
            )
    found = [name for name in wanted.values() if name != "none"]
    return [*found, "device"] if "bias" in wanted and "device" in known else found


def _apart(plan: RankPlan, labels: list[str]) -> set[str]:
    return {*FEEDBACK, *labels, *plan.log.drop, *(set(COLUMNS) - set(NAMES))}


def _check_named(plan: RankPlan, features: list[str], known: list[str]) -> None:
    log = plan.log
    named = [*log.categorical, *log.numeric, *log.hashed]
    for name in [*named, *log.drop]:
        if name not in known:
            raise ConfigError(f"The log has no column '{name}'.", nearest(name, tuple(known)))
    for name in named:
        if name not in features:
            raise ConfigError(f"Column '{name}' cannot be a feature.", "Take it out of the list.")
        if named.count(name) > 1:
            raise ConfigError(f"Column '{name}' is given two kinds.", "Name it once.")


def _with(schema: LogSchema, name: str, dtype: pl.DataType, plan: RankPlan) -> LogSchema:
    """Return the schema with one more feature."""
    values, kept = asdict(schema), value_type(dtype)
    if name in plan.log.hashed:
        values["hashed"][name] = plan.log.hashed[name]
    elif name in plan.log.numeric and dtype.is_numeric():
        values["numbers"] = (*schema.numbers, name)
    elif kept and (kept == "text" or dtype == pl.Boolean or name in (*NAMES, *plan.log.categorical)):
        values["vocabulary"][name] = kept
    elif kept and dtype.is_numeric():
        values["counts"] = (*schema.counts, name)
    elif dtype.is_numeric():
        values["numbers"] = (*schema.numbers, name)
    else:
        raise DataError(
            f"Column '{name}' is of type {dtype}, which is no feature.", f"Drop it: drop = ['{name}']."
        )
    return LogSchema(**values)
