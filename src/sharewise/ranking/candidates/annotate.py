"""What candidates know as a feature of the log: how similar an item is to what its user watched last.

Computed as a platform would have when the list was asked for: pairs are of the partitions before, the user's
last watches of all lists before.
"""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from sharewise import files
from sharewise.errors import ConfigError, DataError
from sharewise.ranking.candidates.co_watched import CoWatched
from sharewise.ranking.candidates.columns import settle_columns
from sharewise.ranking.candidates.plan import CandidatePlan
from sharewise.ranking.candidates.proposer import Proposer
from sharewise.ranking.candidates.requests import Array, Ids, Requests
from sharewise.ranking.candidates.stretch import Stretch, make_stretch, requests_of
from sharewise.ranking.partitions import list_partitions

#: The column that is added; `recommend` gives it to rankers that read it.
SIMILARITY = "co_watched"


def annotate_log(source: str | os.PathLike[str], plan: CandidatePlan, out: str | Path) -> int:
    """Write a log anew with the column ``co_watched``; return how many rows.

    Rows of a partition come in the order of time. Sources other than ``co_watched`` are left out of the plan.

    Args:
        source: a folder of Parquet files, or a glob; the order of names is the order of time.
        plan: how pairs are counted, and what is relevant.
        out: the folder to write, partitions under the names that they have.

    Raises:
        ConfigError: if the plan does not fit the log's columns, or the log has such a column.
        DataError: if a partition holds what it must not.
    """
    plan = replace(plan, candidates=replace(plan.candidates, sources={SIMILARITY: 1.0}))
    proposer, rows = None, 0
    for partition in list_partitions(source):
        try:
            frame = pl.read_parquet(partition.path)
            if SIMILARITY in frame.columns:
                raise ConfigError(
                    f"'{partition.name}' has a column '{SIMILARITY}' already.", "Rename or drop it."
                )
            if proposer is None:
                proposer = Proposer(plan, settle_columns(dict(frame.schema), plan))
            names = {stored: name for name, stored in proposer.columns.own.items()}
            stretch = make_stretch(frame.rename(names), proposer.columns, plan)
        except (DataError, pl.exceptions.PolarsError) as error:
            raise DataError(f"'{partition.name}' cannot be read: {error}", "Mend it, or move it.") from error
        added = stretch.frame.with_columns(pl.Series(SIMILARITY, similarity(proposer, stretch)))
        path = Path(out) / partition.name
        files.make_folder(path.parent)
        files.write_bytes(path, _parquet(added.rename(proposer.columns.own)))
        proposer.learn(stretch)
        rows += len(stretch)
    return rows


def similarity(proposer: Proposer, stretch: Stretch) -> Array:
    """Return how similar every row's item is to the query and to what its user watched last, ``[rows]``."""
    frame, own = stretch.frame, proposer
    row = requests_of(frame)
    first = np.unique(row, return_index=True)[1]
    users, items = own.users.find(frame["user"]), own.catalogue.ids.find(frame["item"])
    names = frame["user"].rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
    live = np.where((users < 0) & (names > 0), len(own.users) + names, users)
    wanted = np.flatnonzero(stretch.wanted)
    recent = own.plan.candidates.recent
    past = own.history.until(live[wanted], wanted, items[wanted], live[first], first, recent)
    none = np.full(len(first), -1, dtype=np.int64)
    query = own.catalogue.ids.find(frame["query"][first]) if "query" in frame.columns else none
    return similar_to(own, Requests(users[first], query, past), row, items)


def similar_to(proposer: Proposer, requests: Requests, row: Ids, items: Ids) -> Array:
    """Return how similar items ``[rows]`` are to what the requests of these numbers ``[rows]`` ask with."""
    source = proposer.generators.get(SIMILARITY)
    if not isinstance(source, CoWatched):
        raise ConfigError(
            f"The candidates have no source '{SIMILARITY}' to tell similarity.", "Add it to their sources."
        )
    return source.score(requests, row, items)


def _parquet(frame: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()
