"""The tower learns what the place does to clicks, device by device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rank_logs import CURVES, write

from sharewise.errors import ConfigError
from sharewise.nn import ModelOptions
from sharewise.ranking.blend import blend
from sharewise.ranking.fit import fit_stream
from sharewise.ranking.options import BiasOptions, BlendOptions, StreamOptions
from sharewise.ranking.plan import RankPlan


def test_the_tower_learns_the_curve_of_every_device(tmp_path: Path) -> None:
    write(tmp_path, 6, rows=8000)
    plan = RankPlan(
        model=ModelOptions(sharing="mmoe", hidden=(16,), experts=2, embedding=4),
        bias=BiasOptions(rate=3.0),
        train=StreamOptions(batch_size=256, learning_rate=3e-3, device="cpu"),
    )
    result = fit_stream(tmp_path, plan)
    assert result.ranker is not None
    for device, curve in CURVES.items():
        learnt = result.ranker.place_bias(list(range(1, 9)), device)["click"]
        assert np.corrcoef(learnt, curve)[0, 1] > 0.95
    steep, flat = (np.ptp(result.ranker.place_bias([1, 8], device)["click"]) for device in CURVES)
    assert steep > 2 * flat
    assert np.isnan(result.ranker.place_bias([3], "watch")["click"]).all()
    measured = result.measures
    assert measured["placed"]["click"]["auc"] > measured["tasks"]["click"]["auc"] > 0.55


def test_blends() -> None:
    predictions = {"click": np.array([0.5, 0.1]), "dismiss": np.array([0.2, 0.4])}
    weights = {"click": 2.0, "dismiss": -1.0}
    np.testing.assert_allclose(blend(predictions, BlendOptions("product", weights)), [1.25, 0.025])
    np.testing.assert_allclose(blend(predictions, BlendOptions("sum", weights)), [0.8, -0.2])


@pytest.mark.parametrize(
    "made,word",
    [
        (lambda: RankPlan(bias=BiasOptions(tasks=("clik",))), "click"),
        (lambda: RankPlan(blend=BlendOptions(weights={"wach": 1.0})), "watch"),
        (lambda: BiasOptions(kind="towr"), "tower"),
        (lambda: RankPlan(model=ModelOptions(sharing="add")), "per_task"),
    ],
)
def test_wrong_names_are_refused_with_the_nearest(made: object, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        made()  # type: ignore[operator]
