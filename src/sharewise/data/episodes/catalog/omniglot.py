"""Omniglot as episodes: which of a few characters is this?"""

from __future__ import annotations

from dataclasses import replace

from sharewise.data.episodes import omniglot
from sharewise.data.episodes.augmented import Augmented
from sharewise.data.episodes.condition import Condition
from sharewise.data.episodes.distort import STILL, Distortion
from sharewise.data.episodes.episode_set import EpisodeSet
from sharewise.data.episodes.source import EpisodeSource


def load(
    split: str = "vinyals",
    size: int = 28,
    within: float = 0.0,
    rotations: bool = True,
    seed: int = 0,
    distort: bool = False,
    symmetries: int = 1,
) -> EpisodeSet:
    """1,623 hand-written characters of 50 alphabets, 20 drawings of each (Lake et al. 2015).

    Args:
        split: "vinyals": characters at random, as most papers compare. "background": Lake's 30 background
            alphabets to train on, 5 of them held out to choose by, and his 20 evaluation alphabets to test.
            "small1", "small2": the same with his minimal sets of 5 background alphabets, one held out.
        size: pixels of a side, 1 to 105.
        within: the share of tasks whose characters are all of one alphabet, 0 to 1; in "vinyals" of training
            tasks.
        rotations: characters turned by 90, 180 and 270 degrees are classes of their own: in "vinyals" always
            and in all splits, as there; elsewhere in training only.
        seed: draws the alphabets held out.
        distort: drawings to train on are turned, sheared, stretched and shifted a little, anew every time.
        symmetries: with 4, tasks to train on are turned by quarters, with 8 mirrored too, all drawings of a
            task alike; leave out `rotations` then.
    """
    changes = replace(Distortion() if distort else STILL, symmetries=symmetries)
    parts = omniglot.sources(split, size, within, rotations, seed)
    train: EpisodeSource = parts["train"]
    if distort or symmetries != 1:
        train = Augmented(train, changes)
    return EpisodeSet(
        name="omniglot",
        train=train,
        valid=parts["valid"],
        test=parts["test"],
        condition=Condition(shots=1, queries=5, ways=5 if split == "vinyals" else 20),
        description="Drawings of characters, 1 where there is ink. A task is to tell some characters of the "
        "split apart; "
        + ("characters" if split == "vinyals" else "whole alphabets")
        + " are apart in the splits.",
        source=omniglot.SOURCE,
        licence=omniglot.LICENCE,
    )
