"""What a ranker of ratings is held against: popularity, item-item similarity and means, day after day."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from sharewise.ranking.candidates.annotate import SIMILARITY
from sharewise.ranking.partitions import list_partitions
from sharewise.ranking.ratings import MIDDLE
from sharewise.tasks.grouped import grouped_auc, grouped_ndcg
from sharewise.tasks.tally import auc_of


def baselines(log: Path) -> dict[str, dict[str, float]]:
    """Return the measures of methods that are not trained, over all partitions but the first.

    `popularity` orders by how often a film was rated before, and says of its stars the mean so far, plus what
    the user gives above the middle; `item_item` orders by similarity to what the user watched last.

    Args:
        log: of ratings, annotated.
    """
    whole = pl.concat([pl.read_parquet(partition.path) for partition in list_partitions(log)[1:]])
    stars = whole["item_rating"] + whole["user_rating"] - MIDDLE
    popularity = {**of_lists(whole, whole["item_watches"].to_numpy()), **of_watched(whole, stars.to_numpy())}
    return {"popularity": popularity, "item_item": of_lists(whole, whole[SIMILARITY].to_numpy())}


def of_lists(frame: pl.DataFrame, scores: np.ndarray) -> dict[str, float]:
    """Return how well scores order lists: AUC over all rows and within lists, and NDCG@10."""
    clicked = frame["clicked"].to_numpy().astype(np.float64)
    groups = frame["request"].rank("dense").to_numpy().astype(np.int64) - 1
    # Rows of one score come in the order of chance, not that of the file.
    mixed = np.random.default_rng(0).permutation(len(scores))
    scores, clicked, groups = scores[mixed], clicked[mixed], groups[mixed]
    sizes = np.bincount(groups)
    within = grouped_auc(groups, scores, clicked)
    kept = ~np.isnan(within)
    return {
        "rows": float(len(scores)),
        "next.auc": area(scores, clicked),
        "ndcg@10": float(np.nanmean(grouped_ndcg(groups, scores, clicked, 10))),
        "gauc.next": float((within * sizes)[kept].sum() / sizes[kept].sum()),
    }


def of_watched(frame: pl.DataFrame, stars: np.ndarray) -> dict[str, float]:
    """Return how well stars were foretold, of what was watched."""
    rating = frame["rating"].to_numpy()
    seen = ~np.isnan(rating)
    rating, stars = rating[seen], stars[seen]
    liked = (rating >= 4).astype(np.float64)
    return {
        "like.auc": area(stars, liked),
        "rating.squared_error": float(((rating - stars.clip(1, 5)) ** 2).mean()),
    }


def area(scores: np.ndarray, label: np.ndarray) -> float:
    """Return the area under the ROC curve, ties counted half."""
    values, place = np.unique(scores, return_inverse=True)
    sides = [np.bincount(place, label == side, minlength=len(values)) for side in (0, 1)]
    return auc_of(sides[0], sides[1])
