"""Make of a configuration the table that it names, and a configuration that leaves nothing open."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

from sharewise.config.load import from_document
from sharewise.config.models import DataConfig, RunConfig, TaskConfig
from sharewise.data import Split, Table, catalog, scan
from sharewise.data.catalog import CatalogEntry
from sharewise.errors import ConfigError, nearest
from sharewise.tasks import Task

_BY = {"FractionSplit": "fraction", "TimeSplit": "time", "GroupSplit": "group", "ColumnSplit": "column"}


class Prepared(NamedTuple):
    """A configuration made ready to run.

    Attributes:
        config: with the catalog's choices written out; running it again gives the same.
        table: the data, read and encoded.
    """

    config: RunConfig
    table: Table


def prepare(config: RunConfig) -> Prepared:
    """Read the data that the configuration names.

    Raises:
        ConfigError: if the source or the tasks are missing.
        DataError: if the table does not fit the tasks.
    """
    return _from_catalog(config) if config.data.source in catalog.names() else _from_files(config)


def _from_files(config: RunConfig) -> Prepared:
    data = config.data
    if data.options:
        raise ConfigError("Only a catalog source takes [data.options].", "Remove that table.")
    if not config.tasks:
        raise ConfigError("The configuration has no [[tasks]].", "Add at least one, with a name and a label.")
    check_exists(data.source, catalog.names())
    tasks = [task.build() for task in config.tasks]
    return Prepared(config, _table(data.source, tasks, data))


def _from_catalog(config: RunConfig) -> Prepared:
    entry = catalog.load(config.data.source, **config.data.options)
    resolved = _resolved(config, entry)
    # The entry's own tasks stay as they are: they may be of kinds that a configuration cannot say.
    tasks = [task.build() for task in config.tasks] or list(entry.tasks)
    return Prepared(resolved, _table(entry.frame, tasks, resolved.data))


def _table(source: Any, tasks: list[Task], data: DataConfig) -> Table:
    thinned = scan(source).gather_every(data.every) if data.every > 1 else source
    return Table(
        thinned,
        tasks,
        split=data.split.build() if data.split else None,
        features=data.features,
        task_column=data.task_column,
        descriptor_columns=data.descriptor_columns or (),
        descriptor_text=data.descriptor_text,
        weight=data.weight,
        cluster=data.cluster,
    )


def _resolved(config: RunConfig, entry: CatalogEntry) -> RunConfig:
    """Write the catalog's choices into the configuration where it leaves them open."""
    document = config.model_dump(mode="json", exclude={"data", "tasks"})
    own = config.data.model_dump(mode="json", exclude_none=True)
    document["data"] = {**_data_table(entry), **own}
    if config.data.features:
        document["data"]["features"] = asdict(config.data.features.over(entry.features))
    document["tasks"] = [
        task.model_dump(mode="json") for task in config.tasks or map(_task_config, entry.tasks)
    ]
    return from_document(document)


def _data_table(entry: CatalogEntry) -> dict[str, Any]:
    chosen = {
        "split": _split_table(entry.split),
        "features": asdict(entry.features),
        "cluster": entry.cluster,
        "task_column": entry.task_column,
        "descriptor_columns": list(entry.descriptor_columns),
        "descriptor_text": entry.descriptor_text,
    }
    return {key: value for key, value in chosen.items() if value is not None}


def _split_table(split: Split) -> dict[str, Any]:
    plain = {
        key: value.isoformat() if isinstance(value, (date, datetime)) else value
        for key, value in asdict(split).items()
    }
    return {"by": _BY[type(split).__name__], **plain}


def _task_config(task: Task) -> TaskConfig:
    values = task.to_dict()
    kind = values["kind"]
    values["kind"] = kind["name"] if set(kind) == {"name"} else kind
    return TaskConfig(**{key: _tuple(values[key]) for key in TaskConfig.model_fields})


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def check_exists(source: str, names: tuple[str, ...]) -> None:
    """Refuse a source that is neither a file nor one of the catalog's names.

    Raises:
        ConfigError: if it is not, with the nearest name.
    """
    try:
        found = Path(source).exists() or bool(glob(source, recursive=True))
    except (OSError, ValueError):  # no file can have such a name
        found = False
    if found:
        return
    name = Path(source).name
    raise ConfigError(
        f"source in [data] is '{source}', which is neither a file nor a name of the catalog.",
        nearest(name, names),
    )
