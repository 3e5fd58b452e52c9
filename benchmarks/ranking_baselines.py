"""What a ranker of ratings is held against: popularity, item-item similarity and means, day after day."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from sharewise.ranking.candidates import CandidatePlan
from sharewise.ranking.candidates.co_watched import CoWatched
from sharewise.ranking.candidates.columns import settle_columns
from sharewise.ranking.candidates.proposer import Proposer
from sharewise.ranking.candidates.requests import Requests
from sharewise.ranking.candidates.stretch import Stretch, make_stretch
from sharewise.ranking.partitions import list_partitions
from sharewise.ranking.ratings import MIDDLE
from sharewise.tasks.grouped import grouped_auc, grouped_ndcg
from sharewise.tasks.tally import auc_of


def baselines(log: Path, plan: CandidatePlan) -> dict[str, dict[str, float]]:
    """Return the measures of methods that are not trained, over all partitions but the first.

    `popularity` orders by how often a film was rated before, and says of its stars the mean so far, plus what
    the user gives above the middle; `item_item` orders by similarity to what the user watched last.
    """
    proposer, frames, similar = None, [], []
    for partition in list_partitions(log):
        frame = pl.read_parquet(partition.path)
        if proposer is None:
            columns = settle_columns(dict(frame.schema), plan)
            proposer = Proposer(plan, columns)
        stretch = make_stretch(frame, proposer.columns, plan)
        if proposer.stretches:
            frames.append(stretch.frame)
            similar.append(similarities(proposer, stretch))
        proposer.learn(stretch)
    whole = pl.concat(frames)
    stars = whole["item_rating"] + whole["user_rating"] - MIDDLE
    popularity = {**of_lists(whole, whole["item_watches"].to_numpy()), **of_watched(whole, stars.to_numpy())}
    return {"popularity": popularity, "item_item": of_lists(whole, np.concatenate(similar))}


def similarities(proposer: Proposer, stretch: Stretch) -> np.ndarray:
    """Return the similarity of every row's item to what its user watched last, ``[rows]``."""
    frame = stretch.frame
    asked = frame.filter(pl.Series(stretch.wanted))  # one row a list, in the order of time
    items, users = proposer.catalogue.ids.find(asked["item"]), proposer.users.find(asked["user"])
    names = asked["user"].rank("dense").cast(pl.Int64).to_numpy()
    live = np.where(users < 0, len(proposer.users) + names, users)
    past = proposer.history.before(live, items, plan_recent(proposer))
    queries = proposer.catalogue.ids.find(asked["query"])
    places = asked.select("request").with_row_index("place")
    row = frame.select("request").join(places, on="request", how="left", maintain_order="left")["place"]
    own = Requests(users, queries, past)[row.to_numpy().astype(np.int64)]
    return source_of(proposer).score(own, proposer.catalogue.ids.find(frame["item"])[:, None])[:, 0]


def plan_recent(proposer: Proposer) -> int:
    """Return the watches that stand for a user's taste."""
    return proposer.plan.candidates.recent


def source_of(proposer: Proposer) -> CoWatched:
    """Return the source of similarities."""
    found = proposer.generators["co_watched"]
    assert isinstance(found, CoWatched)
    return found


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
