"""choose_rate: a baseline's inner rate, chosen on validation tasks, so that none loses by a step too long."""

from __future__ import annotations

from collections.abc import Sequence

from sharewise.data.episodes import Condition, EpisodeSource
from sharewise.meta.gradient import GradientLearner
from sharewise.study.progress import StudyProgress
from sharewise.train.meta_evaluate import evaluate_learner

#: Of a baseline's own rate, tried.
FACTORS = (1.0, 0.1, 0.01)


def choose_rate(
    learner: GradientLearner,
    source: EpisodeSource,
    condition: Condition,
    *,
    factors: Sequence[float] = FACTORS,
    episodes: int = 100,
    seed: int = 0,
    progress: StudyProgress | None = None,
) -> float:
    """Set a learner's inner rate to the best of its own times some factors, and return it.

    Args:
        learner: changed in its `rate` alone.
        source: validation tasks.
        condition: of their episodes.
        factors: to choose from; of equally good ones the first.
        episodes: for each factor the same.
        seed: of the episodes.
        progress: told of every rate that was tried; silent by default.

    Raises:
        DataError: if there are no such episodes, or the learner cannot read them.
    """
    own, scores, told = learner.rate, {}, progress or StudyProgress()
    told.stage("search", len(factors))
    try:
        for rate in (own * factor for factor in factors):
            learner.rate = rate
            found = evaluate_learner(learner, source, condition, episodes=episodes, seed=seed, name="valid")
            scores[rate] = found.score
            told.done(f"rate={rate:g}")
    finally:
        learner.rate = own
        told.close()
    learner.rate = max(scores, key=lambda rate: scores[rate])
    return learner.rate
