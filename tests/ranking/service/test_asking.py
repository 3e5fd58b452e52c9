"""What a request may say: types by the ranker's columns, nothing unknown, nothing missing."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from sharewise.errors import DataError
from sharewise.ranking.candidates.columns import LogColumns
from sharewise.ranking.schema import LogSchema
from sharewise.ranking.service.context import Asking

SCHEMA = LogSchema(
    vocabulary={"user": "text", "item": "number", "device": "text", "kind": "text", "new": "number"},
    hashed={"page": 50},
    counts=("views",),
    numbers=("length",),
    others=("clicked", "position", "device", "next"),
    own={},
)
ASKING = Asking.of(
    SCHEMA, LogColumns(("time", "user", "item", "clicked"), {}, "text", "number"), {"kind": pl.String()}
)
MUST: dict[str, Any] = {"device": "tv", "new": True, "page": "home", "views": 3, "length": 2}


def test_what_is_remembered_may_be_said_and_the_rest_must_be() -> None:
    assert set(ASKING.must) == set(MUST)
    assert set(ASKING.may) == {"kind"}
    assert ASKING.labels == ("next",)


def test_values_take_the_logs_types() -> None:
    found = ASKING.values("ann", None, {**MUST, "kind": None})
    own = {"device": "tv", "new": 1, "page": "home", "views": 3, "length": 2.0}
    assert found == {"user": "ann", "query": None, **own, "kind": None}
    assert {name: type(found[name]) for name in own} == {name: type(value) for name, value in own.items()}
    assert ASKING.values(None, 4, {**MUST, "page": 7})["page"] == 7
    types = {"device": "String", "new": "Int64", "views": "Int64", "length": "Float64"}
    assert ASKING.types == {"user": "String", "query": "Int64", **types, "kind": "String"}


@pytest.mark.parametrize(
    "user, query, change, words",
    [
        (5, None, {}, "'user' is 5. Give a text or null"),
        (None, "x", {}, "'query' is 'x'. Give a whole number"),
        (None, None, {"views": 1.5}, "'views'"),
        (None, None, {"length": "long"}, "'length'"),
        (None, None, {"length": 10**400}, "'length'"),
        (None, None, {"page": 1.5}, "a text or a whole number"),
        (None, None, {"kin": "a"}, "Did you mean 'kind'"),
        (None, None, {"next": True}, "unknown"),
    ],
)
def test_what_does_not_fit_is_refused(user: Any, query: Any, change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        ASKING.values(user, query, {**MUST, **change})


def test_what_is_missing_is_named() -> None:
    with pytest.raises(DataError, match="lacks 'new'"):
        ASKING.values(None, None, {name: value for name, value in MUST.items() if name != "new"})


def test_a_device_that_only_places_need_may_be_left_out() -> None:
    schema = LogSchema({"item": "number"}, {}, (), (), ("position", "device"), {})
    asking = Asking.of(schema, LogColumns((), {}, "number", "number"), {})
    assert asking.values(1, 2, {})["device"] is None
    assert asking.values(1, 2, {"device": "tv"})["device"] == "tv"
