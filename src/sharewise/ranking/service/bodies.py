"""Bodies of requests, with the bounds that hold whatever the version; OpenAPI shows them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

#: The largest whole number that a column holds, and that JSON holds exactly everywhere.
LARGEST, EXACT = 2**63 - 1, 2**53
#: Events of one request.
EVENTS = 1000


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half a character") from None
    return value


Text = Annotated[str, Field(strict=True, max_length=512), AfterValidator(_text)]
Whole = Annotated[StrictInt, Field(ge=-LARGEST, le=LARGEST)]
Number = Annotated[StrictFloat, Field(allow_inf_nan=False)]
Id = Whole | Text
Value = StrictBool | Whole | Number | Text | None


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RecommendBody(_Body):
    """Who asks beside what, and what else is known of the circumstances."""

    user: Id | None = None
    query: Id | None = None
    context: Annotated[dict[Text, Value], Field(max_length=256)] = {}
    count: Annotated[StrictInt, Field(ge=1, le=10_000)] = 10


class Event(BaseModel):
    """What came of an item of a list. Columns that the labels of one's own are made of may be added."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Value]

    item: Id
    position: Annotated[StrictInt, Field(ge=1, le=100_000)] | None = None
    clicked: StrictBool | None = None
    watched: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    liked: StrictBool | None = None
    dismissed: StrictBool | None = None
    rating: Annotated[float, Field(allow_inf_nan=False)] | None = None


class FeedbackBody(_Body):
    """What came of a list that was shown: every item that was seen, also those that nothing came of."""

    request: Annotated[StrictInt, Field(ge=0, le=EXACT)]
    events: Annotated[list[Event], Field(min_length=1, max_length=EVENTS)]


class FeaturesBody(_Body):
    """Features of items or users: a row each, its id under the name of the key."""

    key: Annotated[str, Field(strict=True, pattern="^(item|user)$")]
    rows: Annotated[list[dict[Text, Value]], Field(min_length=1, max_length=EVENTS)]


class ModelsBody(_Body):
    """Names of folders below the models' folder."""

    ranker: Text | None = None
    candidates: Text | None = None
