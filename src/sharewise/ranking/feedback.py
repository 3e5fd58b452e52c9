"""What logged feedback is worth, as engagement and as satisfaction: SQL over the labels of tasks."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.errors import ConfigError
from sharewise.ranking.kept import Kept
from sharewise.ranking.objectives import default_tasks
from sharewise.tasks import TaskSet

Array = NDArray[np.float64]
ENGAGEMENT, SATISFACTION = SIDES = ("engagement", "satisfaction")
#: Of tasks that are those of every log, and of tasks that are but called so; the first that there is counts.
USUAL = {
    ENGAGEMENT: (("watch", "EXP(watch) - 1"), ("click", "click")),
    SATISFACTION: (("like", "like"), ("rating", "rating")),
}


def usual_worth(side: str, tasks: TaskSet) -> str:
    """Return what counts on a side, for tasks some of which are the usual ones.

    Raises:
        ConfigError: if none is.
    """
    known = {task.name: task.label for task in default_tasks()}
    for task, worth in USUAL[side]:
        if task in tasks.names and tasks[tasks.names.index(task)].label == known[task]:
            return worth
    raise ConfigError(
        f"The run has no usual feedback of {side}.",
        f"Say what counts, over the labels of its tasks: --{side}.",
    )


def worth_of(kept: Kept, worth: str, examined: Array) -> Array:
    """Return what the feedback of rows is worth, ``[rows]``; none is worth 0, as is what is missing.

    A place that is seldom examined seldom gets feedback, whatever stands there, so each counts by the inverse
    of how likely its place was examined (Joachims et al., WSDM 2017); else the orders shown would win.

    Args:
        kept: rows with their labels.
        worth: SQL over the labels.
        examined: chances, ``[rows]``.

    Raises:
        ConfigError: if that is no such SQL, or gives something below 0.
    """
    labels = pl.DataFrame(kept.labels).fill_nan(None)
    try:
        found = (
            labels.select(pl.sql_expr(worth).cast(pl.Float64).alias("worth"))["worth"]
            .fill_null(0.0)
            .to_numpy()
        )
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        names = ", ".join(kept.labels)
        raise ConfigError(f"'{worth}' cannot be computed: {reason}.", f"Use SQL over {names}.") from error
    if len(found) not in (1, len(kept)) or not np.isfinite(found).all() or (found < 0).any():
        raise ConfigError(f"'{worth}' is below 0 or no number somewhere.", "Let feedback be worth 0 or more.")
    gains: Array = np.broadcast_to(found, len(kept)) / examined
    return gains
