"""Omniglot (Lake et al. 2015): 1,623 characters of 50 alphabets, each drawn by 20 people."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sharewise.data.catalog import locate
from sharewise.data.catalog.locate import Resource
from sharewise.data.episodes.labelled import LabelledExamples
from sharewise.data.episodes.shots import Episodes, Shots
from sharewise.errors import ConfigError, nearest
from sharewise.streams import stream
from sharewise.tasks import InputSpec

SOURCE = "https://github.com/brendenlake/omniglot"
LICENCE = "MIT (Brenden Lake)"
IMAGES = Resource(
    "omniglot/omniglot105.npz", sha256="17a1dbb83f32ba0e02b608dd32dc38badb9816a4b444635ec520df91404a018f"
)
#: Splits of Vinyals et al. (2016), as published with Snell et al. (2017), by the part they make.
VINYALS = {
    "train": Resource(
        "omniglot/vinyals_train.txt",
        sha256="984522c194c30fb678ce53304a160a42faf5403ad4f9a67010f32dd3a35738e0",
    ),
    "valid": Resource(
        "omniglot/vinyals_val.txt", sha256="11f99e54faee3e26f53d3231c1cceac5bf7b8730e9be31cb6dab256551dc0c1a"
    ),
    "test": Resource(
        "omniglot/vinyals_test.txt", sha256="845264cc5c156180828ccf17915668b17ee21424d0170df6e7d81676aa5d1204"
    ),
}
SMALL1 = ("Balinese", "Early_Aramaic", "Greek", "Korean", "Latin")
SMALL2 = ("Greek", "Japanese_(katakana)", "Latin", "Sanskrit", "Tagalog")
SPLITS = ("vinyals", "background", "small1", "small2")
DRAWERS = 20
#: Pixels of a side of the drawings as published.
SIDE = 105


@dataclass(frozen=True)
class Drawings:
    """All drawings.

    Attributes:
        packed: uint8 ``[1623, 20, 105, 14]``, a bit a pixel along rows; 1 where there is ink.
        alphabets: names of the 50.
        alphabet: int64 ``[1623]`` index into them.
        names: "Alphabet/characterNN", 1,623.
        background: bool ``[1623]``: Lake's 964 background characters.
        runs: the one-shot benchmark.
    """

    packed: Tensor
    alphabets: tuple[str, ...]
    alphabet: Tensor
    names: tuple[str, ...]
    background: Tensor
    runs: Runs


class Runs(NamedTuple):
    """Lake's benchmark: 20 runs of 20 ways, one shot, within an alphabet.

    Attributes:
        support, query: int64 ``[20, 20]``: images, as character · 20 + drawer.
        answer: int64 ``[20, 20]``: the place in the support of each query's character.
    """

    support: Int[Tensor, "20 20"]
    query: Int[Tensor, "20 20"]
    answer: Int[Tensor, "20 20"]


@cache
def drawings() -> Drawings:
    """Return the drawings, read once.

    Raises:
        DataError: if the file is not on this machine.
    """
    with np.load(locate.locate(IMAGES), allow_pickle=False) as found:
        names = tuple(
            f"{found['alphabets'][a]}/character{c:02d}"
            for a, c in zip(found["alphabet"], found["character"], strict=True)
        )
        return Drawings(
            torch.from_numpy(found["images"]),
            tuple(map(str, found["alphabets"])),
            torch.from_numpy(found["alphabet"].astype(np.int64)),
            names,
            torch.from_numpy(found["background"]),
            Runs(
                *(
                    torch.from_numpy(found[f"oneshot_{key}"].astype(np.int64))
                    for key in ("support", "query", "answer")
                )
            ),
        )


def images(size: int) -> Float[Tensor, "1623 20 size size"]:
    """Return all drawings shrunk to `size` by the mean over areas; 1 is ink."""
    packed = drawings().packed
    shares = _shares(size)
    shrunk = []
    for part in torch.split(packed, 10):  # unpacked at once they would take 1.4 GB
        pixels = torch.from_numpy(np.unpackbits(part.numpy(), axis=-1, count=SIDE)).float()
        shrunk.append(shares @ pixels @ shares.T)
    return torch.cat(shrunk)


@lru_cache(maxsize=2)
def _bytes(size: int) -> Tensor:
    """Return `images` in 255 steps: a quarter of the memory, and what is lost is less than a pen's shake."""
    return (images(size) * 255).round().to(torch.uint8)


def _shares(size: int) -> Float[Tensor, "size 105"]:
    """Return which pixels of a row are averaged to each of `size`, as adaptive average pooling does."""
    found = torch.zeros(size, SIDE)
    for i in range(size):
        start, end = i * SIDE // size, -(-(i + 1) * SIDE // size)
        found[i, start:end] = 1 / (end - start)
    return found


def one_shot_runs(size: int = 28) -> Episodes:
    """Return the 20 runs of the one-shot benchmark as episodes: 20 ways, one shot, 20 queries.

    In a run one person drew the support and another the queries. To be looked at once, when all is chosen.

    Args:
        size: pixels of a side.
    """
    pixels, runs = images(size).reshape(-1, 1, size, size), drawings().runs
    support, query = ((pixels[rows] * 255).round() / 255 for rows in (runs.support, runs.query))
    own = torch.arange(runs.support.shape[1], dtype=torch.float32).expand(runs.support.shape).contiguous()
    return Episodes(
        Shots({"image": support}, own), Shots({"image": query}, runs.answer.float()), ways=own.shape[1]
    )


def sources(
    split: str = "vinyals",
    size: int = 28,
    within: float = 0.0,
    rotations: bool = True,
    seed: int = 0,
    held_out: int | None = None,
) -> dict[str, LabelledExamples]:
    """Return the classes to train on, to choose by and to test.

    Args:
        split: "vinyals": characters at random, as the papers compare. "background": Lake's 30 background
            alphabets, of which 5 are held out to choose by, and his 20 evaluation alphabets. "small1",
            "small2": his minimal sets of 5 background alphabets, of which one is held out.
        size: pixels of a side.
        within: the share of tasks whose classes are of one alphabet; in "vinyals", whose other parts have
            only pieces of alphabets, of training tasks.
        rotations: rotations by 90, 180 and 270 degrees are classes of their own (in "vinyals" in all parts,
            as there; elsewhere in training only).
        seed: draws the alphabets held out.
        held_out: how many alphabets are, if not 5 of 30 and 1 of 5; with 0, for a last training when all is
            chosen, there is no part "valid". Not for "vinyals".

    Raises:
        ConfigError: if the split is unknown, or a number cannot be one.
    """
    if split not in SPLITS:
        raise ConfigError(f"Omniglot has no split '{split}'.", nearest(split, SPLITS))
    if not 1 <= size <= SIDE:
        raise ConfigError(f"Omniglot's drawings are to have {size} pixels a side.", f"Use 1 to {SIDE}.")
    pixels = _bytes(size)
    parts = _vinyals() if split == "vinyals" else _by_alphabet(split, rotations, seed, held_out)
    return {
        name: _examples(pixels, chosen, within if name == "train" or split != "vinyals" else 0.0)
        for name, chosen in parts.items()
        if chosen
    }


#: (character, quarter turns) of every class of a part.
Classes = list[tuple[int, int]]


def _vinyals() -> dict[str, Classes]:
    index = {name: i for i, name in enumerate(drawings().names)}
    found: dict[str, Classes] = {}
    for part, resource in VINYALS.items():
        lines = locate.locate(resource).read_text(encoding="utf-8").split()
        split = [line.rsplit("/", 1) for line in lines]
        found[part] = [(index[name], int(turn.removeprefix("rot")) // 90) for name, turn in split]
    return found


def _by_alphabet(split: str, rotations: bool, seed: int, held_out: int | None) -> dict[str, Classes]:
    everything = drawings()
    names = {"small1": SMALL1, "small2": SMALL2}.get(split)
    background = torch.unique(everything.alphabet[everything.background]).tolist()
    own = [a for a in background if names is None or everything.alphabets[a] in names]
    order = torch.randperm(len(own), generator=stream(seed, "held-out alphabets")).tolist()
    count = (5 if names is None else 1) if held_out is None else held_out
    if not 0 <= count < len(own):
        raise ConfigError(
            f"{count} alphabets are to be held out of {len(own)}.", f"Hold out 0 to {len(own) - 1}."
        )
    held = {own[i] for i in order[:count]}
    turns = range(4) if rotations else range(1)
    found: dict[str, Classes] = {"train": [], "valid": [], "test": []}
    for character, alphabet in enumerate(everything.alphabet.tolist()):
        if not everything.background[character]:
            found["test"].append((character, 0))
        elif alphabet in held:
            found["valid"].append((character, 0))
        elif alphabet in own:
            found["train"].extend((character, turn) for turn in turns)
    return found


def _examples(pixels: Tensor, chosen: Classes, within: float) -> LabelledExamples:
    everything, side = drawings(), pixels.shape[-1]
    turned = [torch.rot90(pixels[character], turn, (-2, -1)) for character, turn in chosen]
    values = torch.stack(turned).reshape(-1, 1, side, side)
    labels = torch.arange(len(chosen)).repeat_interleave(DRAWERS)
    names = [
        everything.names[character] + (f"/rot{90 * turn:03d}" if turn else "") for character, turn in chosen
    ]
    # Turned characters are another alphabet.
    groups = torch.tensor([int(everything.alphabet[c]) * 4 + turn for c, turn in chosen])
    groups = torch.unique(groups, return_inverse=True)[1]
    return LabelledExamples(
        InputSpec(image=(1, side, side)), {"image": values}, labels, names, groups, within
    )
