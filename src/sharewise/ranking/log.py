"""The log: one row an impression, one Parquet file a stretch of time, names in the order of time.

A *request* is one list shown to one user; its impressions lie together. Feedback that was not given is null:
`watched` without a click, `rating` without a survey. Every other column is a feature of the user, the query,
the item or the context, as it was known when the list was shown.
"""

from __future__ import annotations

import polars as pl

#: Columns that say how a list came about, as the service writes them: name -> (type, what it is).
SERVED: dict[str, tuple[pl.DataType, str]] = {
    "served_by": (pl.String(), "the version that made the list"),
    "arms": (pl.String(), 'the arms that the user was in: "experiment=arm", with ";" between several'),
}
#: Columns with a meaning of their own: name -> (type, what it is).
COLUMNS: dict[str, tuple[pl.DataType, str]] = {
    "time": (pl.Datetime("us"), "when the list was shown, UTC"),
    "request": (pl.Int64(), "the list that the impression is part of"),
    "user": (pl.Int64(), "who saw it"),
    "query": (pl.Int64(), "the item being watched; null if none was"),
    "item": (pl.Int64(), "what was shown"),
    "position": (pl.Int64(), "its place in the list, from 1"),
    "device": (pl.String(), "where it was shown"),
    "source": (pl.String(), "the generator that proposed it"),
    **SERVED,
    "clicked": (pl.Boolean(), "whether it was clicked"),
    "watched": (pl.Float64(), "seconds watched; null without a click"),
    "liked": (pl.Boolean(), "whether it was liked"),
    "dismissed": (pl.Boolean(), "whether it was dismissed"),
    "rating": (pl.Float64(), "answer to the survey, 1 to 5; null where none was given"),
}
#: Those that say what came of an impression: no features.
FEEDBACK = ("clicked", "watched", "liked", "dismissed", "rating")
