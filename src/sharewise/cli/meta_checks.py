"""Refuse what cannot be meta-trained or tested before anything is written, and tell what will not match."""

from __future__ import annotations

from dataclasses import replace

import torch
from rich.console import Console
from torch import nn

from sharewise.cli.checks import check_memory
from sharewise.config import PreparedMeta
from sharewise.data.episodes import Condition, EpisodeSource, differences
from sharewise.errors import DataError
from sharewise.meta import Learner
from sharewise.study.fewshot.words import WHY
from sharewise.train.devices import choose_device


def check_learning(prepared: PreparedMeta) -> None:
    """Meet every mistake that training and testing would meet.

    Raises:
        ConfigError: if the learner cannot be made for these labels, or the device cannot be had.
        DataError: if the tasks have not enough examples, or the learner cannot read such episodes.
    """
    config, episodes, condition = prepared
    choose_device(config.train.device)
    for source in (episodes.train, episodes.valid):
        if source is not None:
            source.check(condition)
    check_tests(prepared)
    check_memory(lambda: config.learner.build(prepared.spec), f"the learner '{config.learner.name}'")
    check_baselines(prepared)
    _try(config.learner.build(prepared.spec), episodes.train, condition, config.train.seed)


def check_tests(prepared: PreparedMeta) -> None:
    """Refuse a test for which there are not enough tasks or examples.

    Raises:
        DataError: if so.
    """
    test = test_tasks(prepared)
    for tested in test_conditions(prepared):
        test.check(tested)


def check_baselines(prepared: PreparedMeta) -> None:
    """Refuse baselines that cannot be made.

    Raises:
        ConfigError: if one cannot.
    """
    check_memory(lambda: nn.ModuleList(prepared.baselines().values()), "the baselines")


def test_tasks(prepared: PreparedMeta) -> EpisodeSource:
    """Return the tasks to test by.

    Raises:
        DataError: if there are none.
    """
    if prepared.episodes.test is None:
        raise DataError(
            "There are no tasks to test by.", "Choose a split that leaves some tasks to the test."
        )
    return prepared.episodes.test


def test_conditions(prepared: PreparedMeta) -> tuple[Condition, ...]:
    """Return the conditions that the learner is tested in, rising in shots."""
    return prepared.config.evaluate.plan().conditions(prepared.condition)


def tell_differences(console: Console, prepared: PreparedMeta) -> None:
    """Say where the test's conditions differ from training, and why that matters."""
    shots = [tested.most_shots for tested in test_conditions(prepared)]
    together = replace(prepared.condition, shots=(min(shots), max(shots)))
    for what in differences(prepared.condition, together):
        console.print(f"Note: {what}. {WHY[what.split(':')[0]]}", markup=False)


def _try(learner: Learner, source: EpisodeSource, condition: Condition, seed: int) -> None:
    """Adapt to the first few episodes of training, which meets what only the episodes show."""
    episodes = next(source.batches(condition, 2, seed, "train"))
    learner.check(episodes)
    with torch.no_grad():
        learner.adapt(episodes.support)(episodes.query.inputs)
