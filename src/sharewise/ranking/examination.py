"""How likely places were examined, by what the tower has learnt of them."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sharewise.ranking.kept import Kept
from sharewise.ranking.ranker import Ranker

Array = NDArray[np.float64]


def examined(kept: Kept, ranker: Ranker, most: float) -> Array:
    """Return the chance that rows' places were examined, beside the best place of their device, ``[rows]``.

    A click needs an examined place. Where clicks are few the tower's logit is the logarithm of that chance
    but for a constant, so its exponential is the chance relative to the best place.

    Args:
        kept: the rows.
        ranker: with a tower; without one, or for places it has never seen, the chance is 1.
        most: chances are at least 1 / `most`, so that no single row counts for very many.
    """
    if ranker.model.offset is None or "position" not in kept.frame.columns:
        return np.ones(len(kept))
    device = pl.col("device") if "device" in kept.frame.columns else pl.lit(None, pl.String)
    rows = kept.frame.select("position", device.alias("device"))
    places = rows.drop_nulls("position").unique(maintain_order=True)
    chances = [_chances(own, name, ranker) for (name,), own in places.group_by("device", maintain_order=True)]
    if not chances:
        return np.ones(len(kept))
    found = rows.join(
        pl.concat(chances),
        on=["position", "device"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )["chance"]
    return found.fill_null(1.0).to_numpy().clip(1 / most, 1.0)


def _chances(places: pl.DataFrame, device: object, ranker: Ranker) -> pl.DataFrame:
    name = None if device is None else str(device)
    logits = ranker.place_bias(places["position"].to_list(), name)[ranker.plan.bias.tasks[0]]
    known = logits[~np.isnan(logits)]
    logits = np.nan_to_num(logits - (known.max() if len(known) else 0.0), nan=0.0)
    return places.with_columns(chance=pl.Series(np.exp(logits)))
