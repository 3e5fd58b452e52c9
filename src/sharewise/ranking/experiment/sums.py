"""UserSums: what every user did before an experiment and since, as sums that stretches of a log add to.

A user is what is randomised, so a user is one observation, however many lists they saw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.errors import ConfigError
from sharewise.ranking.experiment.outcomes import Outcome
from sharewise.ranking.experiment.plan import ExperimentPlan

Array = NDArray[np.float64]
#: The log's column of arms.
ARMS = "arms"
#: Columns of sums: rows of a user, and of outcome k its values and what they are divided by.
ROWS, VALUE, PER = "rows", "value {}", "per {}"


@dataclass(frozen=True)
class ArmSums:
    """The users of an arm by one outcome.

    Attributes:
        value, per: sums over each user's rows, ``[users]``; their totals' quotient is the outcome.
        value_before, per_before: the same before the experiment; 0 for users who were not there.
        rows_before: rows of each user before it.
    """

    value: Array
    per: Array
    value_before: Array
    per_before: Array
    rows_before: Array


class UserSums:
    """Sums by user of one experiment.

    Rows of users in an arm count for it. Rows without an arm count as what was before, as long as no row had
    one; later they are those of users who do not take part.

    Args:
        plan: of the experiment.

    Attributes:
        began: the time of the first row with an arm; None before there is one.
    """

    def __init__(self, plan: ExperimentPlan) -> None:
        self.plan = plan
        self.began: object = None
        self._before = self._since = pl.DataFrame()
        self._alone: pl.DataFrame | None = None

    def see(self, rows: pl.DataFrame) -> None:
        """Add rows of the log, which must come in the order of time.

        Raises:
            ConfigError: if an outcome cannot be computed from them.
        """
        if not len(rows):
            return
        arm = arm_column(rows, self.plan.name)
        self._alone = None
        summed = rows.select("user", arm=arm, **_expressions(self.plan.outcomes, rows))
        inside = arm.is_not_null()
        outside = ~inside
        if self.began is not None:
            outside = pl.repeat(False, len(rows), eager=True)
        elif inside.any():
            self.began = rows.filter(inside)["time"].min()
            outside &= rows["time"] < self.began
        self._before = _added(self._before, summed.filter(outside).drop("arm"), ["user"])
        self._since = _added(self._since, summed.filter(inside), ["user", "arm"])

    def users(self) -> dict[str, int]:
        """Return how many users each arm has."""
        found = dict.fromkeys(self.plan.arm_names, 0)
        if len(self._since):
            counts = self._single().group_by("arm").len()
            found |= {arm: count for arm, count in counts.iter_rows() if arm in found}
        return found

    def crossed(self) -> int:
        """Return how many users were in more than one arm; they count in none."""
        if not len(self._since):
            return 0
        return int(self._since["user"].n_unique() - len(self._single()))

    def arms(self) -> dict[str, ArmUsers]:
        """Return the users of every arm, arms without users left out."""
        if not len(self._since):
            return {}
        users = self._single()
        if len(self._before):
            users = users.join(self._before, on="user", how="left", suffix=" before")
        parts = users.partition_by("arm", as_dict=True, include_key=False)
        return {arm: ArmUsers(parts[(arm,)]) for arm in self.plan.arm_names if (arm,) in parts}

    def _single(self) -> pl.DataFrame:
        """Return the users of one arm each."""
        if self._alone is None:
            several = self._since["user"].is_duplicated()
            self._alone = self._since.filter(~several) if several.any() else self._since
        return self._alone


class ArmUsers:
    """The users of an arm.

    Args:
        users: a row each, with sums since and before.
    """

    def __init__(self, users: pl.DataFrame) -> None:
        self._users = users

    def by(self, outcome: int) -> ArmSums:
        """Return them by the outcome of this number."""
        value, per = VALUE.format(outcome), PER.format(outcome)
        one = np.ones(len(self._users))
        summed = per in self._users.columns
        return ArmSums(
            self._floats(value),
            self._floats(per) if summed else one,
            self._floats(f"{value} before"),
            self._floats(f"{per} before") if summed else one,
            self._floats(f"{ROWS} before"),
        )

    def _floats(self, name: str) -> Array:
        if name not in self._users.columns:
            return np.zeros(len(self._users))
        found: Array = self._users[name].fill_null(0.0).to_numpy()
        return found


def arm_column(rows: pl.DataFrame, experiment: str) -> pl.Series:
    """Return the arm of every row in an experiment, null where there is none."""
    if ARMS not in rows.columns:
        return pl.Series("arm", [None] * len(rows), dtype=pl.String)
    every = (
        rows[ARMS]
        .cast(pl.String)
        .str.split(";")
        .list.eval(pl.element().filter(pl.element().str.starts_with(f"{experiment}=")))
    )
    found: pl.Series = every.list.first().str.strip_prefix(f"{experiment}=").alias("arm")
    return found


def _expressions(outcomes: tuple[Outcome, ...], rows: pl.DataFrame) -> dict[str, pl.Series]:
    found = {ROWS: pl.ones(len(rows), dtype=pl.Float64, eager=True)}
    for place, outcome in enumerate(outcomes):
        found[VALUE.format(place)] = _evaluated(outcome.name, outcome.value, rows)
        if outcome.per:
            found[PER.format(place)] = _evaluated(outcome.name, outcome.per, rows)
    return found


def _evaluated(name: str, sql: str, rows: pl.DataFrame) -> pl.Series:
    try:
        value = pl.sql_expr(sql)
        found = rows.select(value.cast(pl.Float64).fill_null(0.0).alias("x"))["x"]
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ConfigError(
            f"Outcome '{name}' cannot be computed from the log: {reason}.", "Use SQL over its columns."
        ) from error
    a_row = len(found) == len(rows) or not value.meta.root_names()  # else it is one of all rows
    if not a_row or not found.is_finite().all():
        raise ConfigError(
            f"Outcome '{name}' is no finite number somewhere, or not one a row.", "Use SQL over a row."
        )
    every: pl.Series = found if len(found) == len(rows) else found.new_from_index(0, len(rows))
    return every


def _added(sums: pl.DataFrame, rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    rows = rows.filter(pl.col("user").is_not_null())
    if not len(rows):
        return sums
    own = rows.group_by(keys).agg(pl.exclude(keys).sum())
    if not len(sums):
        return own.sort(keys)
    both = pl.concat([sums, own], how="vertical_relaxed")
    return both.group_by(keys).agg(pl.exclude(keys).sum()).sort(keys)
