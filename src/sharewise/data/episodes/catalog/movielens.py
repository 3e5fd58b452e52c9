"""MovieLens by user: a new user, and a few films that they rated. The data is not part of Sharewise."""

from __future__ import annotations

from sharewise.data.catalog import movielens
from sharewise.data.episodes.condition import Condition
from sharewise.data.episodes.episode_set import EpisodeSet
from sharewise.data.episodes.table import read_tasks
from sharewise.data.schema import Features
from sharewise.data.splits import GroupSplit
from sharewise.errors import ConfigError, nearest

ABOUT_USER = ("gender", "occupation", "zip_region", "age")
#: A film that fewer training users rated has no embedding of its own: one rating tells little.
KNOWN_FILM = 5


def load(label: str = "rating", films: bool = False, seed: int = 0, ordered: bool = True) -> EpisodeSet:
    """100,000 ratings of 1,682 films, a task a user, tested on users never seen (MovieLens 100K).

    Args:
        label: "rating" (1 to 5 stars), "liked" (4 or 5) or "disliked" (1 or 2).
        films: which film it is, is an input, if at least 5 training users rated it; otherwise its genres and
            year alone. The user's number never is.
        seed: draws the users to choose by and to test by, a tenth of them each.
        ordered: the support's ratings were given before the query's; otherwise all are drawn alike.
    """
    tasks = {task.name: task for task in movielens.TASKS}
    if label not in tasks:
        raise ConfigError(f"The ratings have no task '{label}'.", nearest(label, tuple(tasks)))
    found = read_tasks(
        movielens.load().frame,
        tasks[label],
        "user_id",
        split=GroupSplit("user_id", seed=seed),
        features=_features(films),
        order="time" if ordered else None,
    )
    return EpisodeSet(
        name="movielens-by-user",
        train=found.train,
        valid=found.valid,
        test=found.test,
        condition=Condition(shots=5, queries=10),
        description=f"A task is a user, a row a film that they rated: {tasks[label].text}. Inputs are the "
        "film's genres and year, and the user's age, gender, occupation and region.",
        source=movielens.SOURCE,
        licence="research use, no redistribution without permission (GroupLens)",
        table=found,
    )


def _features(films: bool) -> Features:
    """Genres are numbers here, 0 or 1: a learner then adapts what each of them is worth to a user."""
    numeric = (*movielens.GENRES, "release_year", "age")
    categorical = (*(("item_id",) if films else ()), *(c for c in ABOUT_USER if c not in numeric))
    kinds = dict.fromkeys(categorical, "categorical") | dict.fromkeys(numeric, "numeric")
    return Features(keep=tuple(kinds), kinds=kinds, min_count=KNOWN_FILM if films else 1)
