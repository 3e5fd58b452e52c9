"""The orders that a run's lists could have had, against the truth of a simulated world, over time and in all.

Every prediction was made before the ranker was trained on the partition, with the place missing, as when
serving. Beside the score and every single objective stand what was shown, a random order, and the best
orders there are: by the true gains themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.ranking.blend import blend
from sharewise.ranking.kept import Kept
from sharewise.ranking.plan import RankPlan
from sharewise.ranking.truth import TruthMeasures, gains_of, read_truth
from sharewise.streams import derive_seed

Array = NDArray[np.float64]
SCORE, SHOWN, RANDOM = "score", "as shown", "random"
#: Of these true gains the best orders are measured.
BEST = ("engagement", "satisfaction", "mixture")


def against_truth(kept: Iterable[Kept], folder: Path, plan: RankPlan) -> dict[str, Any]:
    """Measure the orders of what a run kept.

    Args:
        kept: what was predicted of partitions before they were trained on.
        folder: ``truth`` of the world.
        plan: of the ranker.

    Returns:
        What `TruthMeasures.record` gives over all partitions, with ``over_time``: the NDCG of the score,
        partition by partition.

    Raises:
        ConfigError: if the run does not tell lists apart.
        DataError: if nothing was kept, or the truth is missing or that of other rows.
    """
    whole, over_time = TruthMeasures(plan.measure.k), []
    for one in kept:
        truth = read_truth(folder, one.partition, one.frame)
        groups = one.groups(plan.measure.group)
        own = TruthMeasures(plan.measure.k)
        own.see(truth, groups, {**orders(one, plan), **_references(one.partition, truth, groups)})
        whole.merge(own)
        over_time.append({"partition": one.partition, "ndcg": own.record()["orders"][SCORE]["ndcg"]})
    if not over_time:
        raise DataError(
            "The run kept no predictions to measure.",
            "Train with measure.keep above 0, on two partitions or more.",
        )
    return {**whole.record(), "over_time": over_time}


def orders(kept: Kept, plan: RankPlan) -> dict[str, Array]:
    """Return scores by the name of the order: the blend, and every objective alone.

    An objective with a negative weight in the blend counts downwards.
    """
    found = {SCORE: blend(kept.predicted, plan.blend)}
    for name, values in kept.predicted.items():
        found[name] = -values if plan.blend.weights.get(name, 1.0) < 0 else values
    return found


def _references(partition: str, truth: pl.DataFrame, groups: NDArray[np.int64]) -> dict[str, Array]:
    gains = gains_of(truth, groups)
    chance = np.random.default_rng(derive_seed(0, "random order", partition))
    shown = -truth["position"].cast(pl.Float64).to_numpy()
    best = {f"best {name}": gains[name] for name in BEST}
    return {SHOWN: shown, RANDOM: chance.random(len(truth)), **best}
