"""Evaluation on episodes: in pieces that fit into memory, and what is chosen by."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from meta_stubs import WAVES, pictures

from sharewise.data.episodes import Condition
from sharewise.meta import NetOptions, Spec, make_learner
from sharewise.streams import stream
from sharewise.train import meta_evaluate
from sharewise.train.meta_evaluate import EpisodeScores, evaluate_learner, pieces


@pytest.mark.parametrize("name", ["maml", "protonet", "cavia", "matching"])
def test_pieces_give_the_same_results(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source, condition = pictures(), Condition(shots=1, queries=2, ways=3)
    spec = Spec(source.inputs, source.kind, 3)
    learner = make_learner(name, spec, net=NetOptions(channels=(4, 4, 4)))
    seen: list[int] = []
    whole = evaluate_learner(learner, source, condition, episodes=40, watch=lambda e, _: seen.append(len(e)))
    assert seen == [32, 8]
    seen.clear()
    # Three episodes of 9 images of 6 x 6.
    monkeypatch.setattr(meta_evaluate, "NUMBERS", 3 * 9 * 36 + 1)
    parts = evaluate_learner(learner, source, condition, episodes=40, watch=lambda e, _: seen.append(len(e)))
    assert seen == [3] * 10 + [2] + [3, 3, 2]
    np.testing.assert_allclose(parts.loss, whole.loss, rtol=1e-5)
    np.testing.assert_array_equal(parts.metric, whole.metric)


def test_an_episode_is_never_cut() -> None:
    episodes = WAVES.sample(Condition(5, 5), 7, stream(0, "pieces"))
    assert [len(part) for part in pieces(episodes, 1)] == [1] * 7
    found = torch.cat([part.query.targets for part in pieces(episodes, 25)])
    assert torch.equal(found, episodes.query.targets)


@pytest.mark.parametrize("name", ["accuracy", "mse"])
def test_a_loss_that_is_no_number_is_the_worst_score(name: str) -> None:
    right, none = np.ones(2), np.array([1.0, np.nan])
    assert EpisodeScores(none, right, name).score == -np.inf
    assert EpisodeScores(2 * right, right, name).score == (1.0 if name == "accuracy" else -2.0)
