"""What users do with a list: probabilities first, which are the truth, then draws.

With relevance r, quality q, clickbait b, freshness f, length l in units of e, and the person's own terms,
five linear scores say everything; `EFFECTS` holds their coefficients. Clickbait raises the score of a click
and lowers all that comes after it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sharewise.ranking.world.devices import DEVICES, examination
from sharewise.ranking.world.draws import Flags, Floats, sigmoid, uniform
from sharewise.ranking.world.options import WorldOptions
from sharewise.ranking.world.requests import Requests
from sharewise.ranking.world.slates import Slates
from sharewise.ranking.world.users import Users
from sharewise.ranking.world.videos import Videos


class Effect(NamedTuple):
    """Coefficients of a score."""

    constant: float = 0.0
    relevance: float = 0.0
    quality: float = 0.0
    clickbait: float = 0.0
    freshness: float = 0.0
    length: float = 0.0

    def of_videos(self, videos: Videos, hour: int) -> Floats:
        """Return the part of the score that only the video decides, `[slots]`."""
        score = np.full(len(videos.number), self.constant, np.float32)
        score += self.quality * videos.quality
        score += self.clickbait * videos.clickbait
        score += self.freshness * videos.freshness(hour)
        return score + self.length * videos.length


#: The scores: of a click, of the share that is watched, satisfaction, and of a dismissal.
EFFECTS = {
    "click": Effect(-2.6, relevance=0.9, quality=0.3, clickbait=2.0, freshness=0.4),
    "watch": Effect(0.0, relevance=0.6, quality=0.6, clickbait=-2.2, length=-0.3),
    "satisfaction": Effect(0.3, relevance=0.7, quality=0.8, clickbait=-2.5),
    "dismiss": Effect(-4.0, relevance=-0.8, clickbait=2.5),
}
#: A like after a click: its logit is this much and the satisfaction.
LIKE = -2.2
#: The rating is above 1, 2, 3, 4 with the logit STEEP * satisfaction - these.
STEEP, THRESHOLDS = 1.2, (-2.2, -1.0, 0.3, 1.8)


class Chances(NamedTuple):
    """The truth, all `[requests, slate]`.

    Attributes:
        examined: probability that the place is looked at.
        click: probability of a click, once examined.
        watched: the expected share of the video that is watched, once clicked.
        satisfaction: a score; the expected rating rises with it.
        dismiss: probability of a dismissal, once examined.
    """

    examined: Floats
    click: Floats
    watched: Floats
    satisfaction: Floats
    dismiss: Floats


class Feedback(NamedTuple):
    """What came of it, all `[requests, slate]`; NaN where there is none."""

    clicked: Flags
    watched: Floats
    liked: Flags
    dismissed: Flags
    rating: Floats


def chances(requests: Requests, slates: Slates, users: Users, videos: Videos, hour: int) -> Chances:
    """Return the probabilities of an hour."""
    items, count = slates.items, slates.items.shape[1]

    def score(name: str) -> Floats:
        result = EFFECTS[name].of_videos(videos, hour)[items]
        result += np.float32(EFFECTS[name].relevance) * slates.relevance
        return result

    preferred = np.asarray([device.length for device in DEVICES], np.float32)[requests.device]
    click = score("click")
    click += preferred[:, None] * videos.length[items]
    click += users.eager[requests.user][:, None]
    satisfaction = score("satisfaction")
    satisfaction += users.generous[requests.user][:, None]
    return Chances(
        examined=examination(count)[requests.device],
        click=sigmoid(click),
        watched=sigmoid(score("watch")),
        satisfaction=satisfaction,
        dismiss=sigmoid(score("dismiss")),
    )


def like_chance(satisfaction: Floats) -> Floats:
    """Return the probability of a like after a click."""
    return sigmoid(satisfaction + np.float32(LIKE))


def expected_rating(satisfaction: Floats) -> Floats:
    """Return the mean of the rating, if one is given: 1 and the probabilities of being above 1, 2, 3, 4."""
    result = np.ones_like(satisfaction)
    for threshold in THRESHOLDS:
        result += sigmoid(STEEP * satisfaction - np.float32(threshold))
    return result


def draw_feedback(
    rng: np.random.Generator, truth: Chances, seconds: Floats, options: WorldOptions
) -> Feedback:
    """Draw what users do; `seconds` `[requests, slate]` is how long the videos last."""
    shape = truth.click.shape
    examined = uniform(rng, *shape) < truth.examined
    clicked = examined & (uniform(rng, *shape) < truth.click)
    dismissed = examined & (uniform(rng, *shape) < truth.dismiss)
    after = np.nonzero(clicked)
    satisfaction = truth.satisfaction[after]
    liked = np.zeros(shape, np.bool_)
    liked[after] = uniform(rng, len(satisfaction)) < like_chance(satisfaction)
    watched, rating = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    watched[after] = seconds[after] * _shares(rng, truth.watched[after])
    rating[after] = _ratings(rng, satisfaction, options.survey)
    return Feedback(clicked, watched, liked, dismissed, rating)


def _shares(rng: np.random.Generator, mean: Floats) -> Floats:
    """Draw shares U ** (1 / mean - 1), whose mean is `mean`: most near the ends, few in the middle."""
    shares: Floats = np.power(uniform(rng, len(mean)), np.reciprocal(mean) - np.float32(1))
    return shares


def _ratings(rng: np.random.Generator, satisfaction: Floats, survey: float) -> Floats:
    """Draw ratings 1 to 5 for those who answer, NaN for the others."""
    answered = uniform(rng, len(satisfaction)) < survey
    level = uniform(rng, len(satisfaction))
    rating = np.ones_like(satisfaction)
    for threshold in THRESHOLDS:
        rating += level < sigmoid(STEEP * satisfaction - np.float32(threshold))
    return np.where(answered, rating, np.float32(np.nan))
