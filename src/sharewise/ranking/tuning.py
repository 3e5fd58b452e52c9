"""tune: from what a run kept to the front of its score's weights, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from sharewise.errors import DataError
from sharewise.ranking.examination import examined
from sharewise.ranking.feedback import SIDES, usual_worth, worth_of
from sharewise.ranking.front import Lists, TuneOptions, columns_of, draw_weights, front, measure
from sharewise.ranking.kept import Kept
from sharewise.ranking.orders import SCORE
from sharewise.ranking.ranker import Ranker
from sharewise.ranking.truth import gains_of, read_truth

Array = NDArray[np.float64]
TRUE = "true "


def tune(
    kept: Iterable[Kept], ranker: Ranker, options: TuneOptions, truth: Path | None = None
) -> dict[str, Any]:
    """Draw the front of a run's score.

    Args:
        kept: what the run kept, in the order of time.
        ranker: of the run; its tower says how likely places were examined.
        options: of the draws.
        truth: of the world, if the log is that of one.

    Returns:
        Plain values: every draw's place in ``points``, and of those on the front, of every objective alone
        and of the run's own score the weights too, in ``named``.

    Raises:
        ConfigError: if the run does not tell lists apart, or there is no such feedback.
        DataError: if nothing was kept, or too little to halve.
    """
    plan = ranker.plan
    tasks = tuple(plan.tasks.names)
    worth = {side: getattr(options, side) or usual_worth(side, plan.tasks) for side in SIDES}
    lists = _lists([_part(one, ranker, options, worth, truth) for one in kept], options)
    weights = candidates(lists, ranker, options)
    chosen, checked = (measure(half, weights, plan.measure.k) for half in lists.halves())
    best = front(*(chosen[side] for side in SIDES)).tolist()
    named = {SCORE: 0, **{name: 1 + at for at, name in enumerate(tasks)}}
    found = {
        "kind": plan.blend.kind,
        "draws": options.draws,
        "lists": lists.count,
        "k": plan.measure.k,
        "worth": worth,
        "examined": ranker.model.offset is not None,
        "named": named,
        "front": best,
        "even": _even(chosen, best),
        "weights": {
            str(at): dict(zip(tasks, weights[at].tolist(), strict=True))
            for at in sorted({*named.values(), *best})
        },
        "logged": {side: checked[side].tolist() for side in SIDES},
    }
    return found if truth is None else {**found, "truth": _truly(chosen, checked)}


def candidates(lists: Lists, ranker: Ranker, options: TuneOptions) -> Array:
    """Return weights to measure, ``[1 + tasks + draws, tasks]``: the run's, each objective's, then draws."""
    blend, names = ranker.plan.blend.weights, ranker.plan.tasks.names
    own = np.array([[blend.get(name, 0.0) for name in names]])
    signs = np.array([-1.0 if blend.get(name, 1.0) < 0 else 1.0 for name in names])
    return np.concatenate([own, draw_weights(lists, signs, options)])


def _even(chosen: dict[str, Array], best: list[int]) -> int:
    """Return which of the front is best in both together, each from its least to its most on the front."""
    total = np.zeros(len(best))
    for side in SIDES:
        values = chosen[side][best]
        spread = np.ptp(values)
        total += (values - values.min()) / (spread if spread > 0 else 1.0)
    return best[int(total.argmax())]


def _truly(chosen: dict[str, Array], checked: dict[str, Array]) -> dict[str, Any]:
    """Return the truth of the draws, the front that knows it, and how feedback agrees with it."""
    best = front(*(chosen[TRUE + side] for side in SIDES))
    return {
        **{side: checked[TRUE + side].tolist() for side in SIDES},
        "front": best.tolist(),
        "rank_correlation": {
            side: float(spearmanr(checked[side], checked[TRUE + side]).statistic) for side in SIDES
        },
    }


def _part(
    kept: Kept, ranker: Ranker, options: TuneOptions, worth: dict[str, str], truth: Path | None
) -> Lists:
    plan = ranker.plan
    groups, seen = kept.groups(plan.measure.group), examined(kept, ranker, options.most)
    gains = {side: worth_of(kept, worth[side], seen) for side in SIDES}
    if truth is not None:
        own = gains_of(read_truth(truth, kept.partition, kept.frame), groups)
        gains |= {TRUE + side: own[side] for side in SIDES}
    return Lists(groups, columns_of(kept.predicted, plan.blend.kind), gains)


def _lists(parts: Sequence[Lists], options: TuneOptions) -> Lists:
    parts = [part for part in parts if part.count]
    if not parts:
        raise DataError(
            "The run kept no predictions to tune on.",
            "Train with measure.keep above 0, on two partitions or more.",
        )
    starts = np.cumsum([0, *(part.count for part in parts)])
    whole = Lists(
        np.concatenate([part.groups + start for part, start in zip(parts, starts[:-1], strict=True)]),
        np.concatenate([part.columns for part in parts]),
        {name: np.concatenate([part.gains[name] for part in parts]) for name in parts[0].gains},
    )
    if whole.count < 2:
        raise DataError("The run kept one list, which cannot be halved.", "Train on more.")
    every = -(-whole.count // options.lists)
    return whole if every == 1 else whole.part(whole.groups % every == 0)
