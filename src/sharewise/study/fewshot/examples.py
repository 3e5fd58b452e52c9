"""A few episodes with what was predicted for them, to look at; the first of those evaluated, not chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sharewise.data.episodes import Episodes, EpisodeSource
from sharewise.meta import Learner
from sharewise.study.fewshot.png import pictures
from sharewise.train.devices import device_of

#: Points that a curve is drawn through.
GRID = 61
#: Support images, query images and rows of a table shown of an episode.
SUPPORT, QUERIES, ROWS = 25, 15, 40


def examples(
    learners: Mapping[str, Learner],
    source: EpisodeSource,
    episodes: Episodes,
    *,
    scale: float = 1.0,
    mean: float = 0.0,
) -> dict[str, Any]:
    """Return the episodes for JSON, with the predictions of the learners.

    Args:
        learners: by name; images and rows of tables show the first one's predictions alone.
        source: where the episodes are from.
        episodes: to show.
        scale, mean: labels are (y - mean) / scale in the episodes.

    Returns:
        ``{"type": "curves" | "images" | "rows", "learners": [names], "episodes": [...]}``; the entries are
        those of `_curves`, `_images` and `_rows`.
    """
    spec = source.inputs
    numeric = not spec.cardinalities and spec.image is None
    if source.kind.name == "regression" and numeric and len(spec.bins) == 1:
        return _named("curves", list(learners), _curves(learners, source, episodes, scale, mean))
    first = next(iter(learners))
    if source.kind.categorical and spec.image is not None and not numeric and not spec.bins:
        return _named("images", [first], _images(learners[first], source, episodes))
    return _named("rows", [first], _rows(learners[first], source, episodes, scale, mean))


def _named(kind: str, names: list[str], found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": kind, "learners": names, "episodes": found}


def _predict(
    learner: Learner, episodes: Episodes, inputs: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor | None]:
    """Return outputs behind the link, and the standard deviation where there is one, on the CPU."""
    device, was = device_of(learner), learner.training
    learner.eval()
    try:
        with torch.no_grad():
            predictor = learner.adapt(episodes.support.to(device))
            forecast = predictor({key: value.to(device) for key, value in inputs.items()})
    finally:
        learner.train(was)
    spread = None if forecast.variance is None else forecast.variance.sqrt().cpu()
    return learner.spec.kind.link(forecast.outputs).cpu(), spread


def _curves(
    learners: Mapping[str, Learner], source: EpisodeSource, episodes: Episodes, scale: float, mean: float
) -> list[dict[str, Any]]:
    """``support`` and ``query``: [[x, y]]; ``predicted``: learner -> ``x``, ``mean``, ``sd`` or None."""
    edges = source.inputs.bins[0]
    grid = torch.linspace(edges[0], edges[-1], GRID).expand(len(episodes), GRID)
    predicted = {}
    for name, learner in learners.items():
        # Whose predictions depend on the other query rows is asked for these rows and no others.
        x = episodes.query.inputs["numeric"][..., 0].sort(1).values if learner.transductive else grid
        outputs, spread = _predict(learner, episodes, {"numeric": x.unsqueeze(-1)})
        predicted[name] = (x, outputs[..., 0] * scale + mean, None if spread is None else spread * scale)
    points = {
        "support": torch.stack(
            [episodes.support.inputs["numeric"][..., 0], episodes.support.targets * scale + mean], -1
        ),
        "query": torch.stack(
            [episodes.query.inputs["numeric"][..., 0], episodes.query.targets * scale + mean], -1
        ),
    }
    masks = {"support": episodes.support.weights > 0, "query": episodes.query.weights > 0}
    return [
        {
            **{part: _short(points[part][i][masks[part][i]]) for part in points},
            "predicted": {
                name: {"x": _short(x[i]), "mean": _short(y[i]), "sd": None if sd is None else _short(sd[i])}
                for name, (x, y, sd) in predicted.items()
            },
        }
        for i in range(len(episodes))
    ]


def _images(learner: Learner, source: EpisodeSource, episodes: Episodes) -> list[dict[str, Any]]:
    """``names`` of the ways or None, ``support`` and ``query``: each ``png`` and ``way``; for queries also
    ``predicted`` and its ``probability``."""
    outputs, _ = _predict(learner, episodes, episodes.query.inputs)
    said, chosen = outputs.max(-1)
    found = []
    for i in range(len(episodes)):
        support = _spaced(episodes.support.rows, SUPPORT)
        query = _spaced(episodes.query.rows, QUERIES)
        drawn = torch.cat(
            [episodes.support.inputs["image"][i, support], episodes.query.inputs["image"][i, query]]
        )
        png = pictures(drawn)
        ways = episodes.support.targets[i, support].long().tolist()
        asked = zip(
            png[len(support) :],
            episodes.query.targets[i, query].long().tolist(),
            chosen[i, query].tolist(),
            _short(said[i, query]),
            strict=True,
        )
        classes = None if episodes.classes is None else episodes.classes[i].tolist()
        found.append(
            {
                "names": None if classes is None else [source.names[c] for c in classes],
                "support": [{"png": p, "way": w} for p, w in zip(png[: len(support)], ways, strict=True)],
                "query": [{"png": p, "way": w, "predicted": c, "probability": s} for p, w, c, s in asked],
            }
        )
    return found


def _rows(
    learner: Learner, source: EpisodeSource, episodes: Episodes, scale: float, mean: float
) -> list[dict[str, Any]]:
    """``of``: "value" or "probability", and ``points``: [[predicted, true]], ``sd`` of each or None.

    For probabilities, that of the likeliest class (of "yes" for a binary label) and whether it was so.
    """
    outputs, spread = _predict(learner, episodes, episodes.query.inputs)
    targets, kind = episodes.query.targets, learner.spec.kind
    if kind.categorical:
        said, chosen = outputs.max(-1)
        targets = (chosen == targets).float()
    else:
        said = outputs[..., 0]
    if kind.standardised:
        said, targets = said * scale + mean, targets * scale + mean
    present = episodes.query.weights > 0
    of = "probability" if kind.categorical or kind.name == "binary" else "value"
    return [
        {
            "of": of,
            "points": _short(torch.stack([said[i], targets[i]], -1)[present[i]][:ROWS]),
            "sd": None if spread is None else _short((spread[i] * scale)[present[i]][:ROWS]),
        }
        for i in range(len(episodes))
    ]


def _spaced(count: int, most: int) -> list[int]:
    """Return at most so many of the numbers below `count`, evenly spread."""
    step = max(count / most, 1.0)
    return [int(i * step) for i in range(min(count, most))]


def _short(values: Tensor) -> Any:
    """Return numbers to five digits, nested as the tensor is: enough to draw."""
    if values.dim() > 1:
        return [_short(value) for value in values]
    return [float(f"{value:.5g}") for value in values.tolist()]
