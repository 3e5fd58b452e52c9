"""What meta_speed.py compares with: learn2learn's MAML, and plain loops written without a library.

learn2learn 0.2.0 (2023, its last) does not install on Python 3.11: its C files are of an older Python. Its
MAML is plain Python, so it is run as published from an unpacked source distribution, if one is there:

    pip download learn2learn==0.2.0 --no-deps --no-binary :all: --no-build-isolation   # or by hand from PyPI
    tar xzf learn2learn-0.2.0.tar.gz
    python benchmarks/meta_speed.py --learn2learn learn2learn-0.2.0

Without one the peer is `CloneMAML`: the same algorithm written from the paper and from learn2learn's
documentation. A task at a time a clone of the module is made, differentiable in the original's parameters,
and the clone's parameters are replaced by those after a gradient step.
"""

from __future__ import annotations

import copy
import importlib
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler


class CloneMAML(nn.Module):
    """MAML by cloning: ``learner = maml.clone(); learner.adapt(loss)``, then the query loss's `backward`."""

    def __init__(self, module: nn.Module, lr: float) -> None:
        super().__init__()
        self.module, self.lr = module, lr

    def forward(self, x: Tensor) -> Any:
        return self.module(x)

    def clone(self) -> CloneMAML:
        """Return a copy whose parameters are functions of this one's."""
        return CloneMAML(_clone(self.module), self.lr)

    def adapt(self, loss: Tensor) -> None:
        """Take a gradient step."""
        parts = self.module.modules()
        places = [(part, name) for part in parts for name, p in part._parameters.items() if p is not None]
        values = [part._parameters[name] for part, name in places]
        found = torch.autograd.grad(loss, values, create_graph=True)
        for (part, name), value, gradient in zip(places, values, found, strict=True):
            part._parameters[name] = value - self.lr * gradient


def _clone(module: nn.Module) -> nn.Module:
    made = copy.copy(module)
    made._parameters = {name: None if p is None else p.clone() for name, p in module._parameters.items()}
    made._buffers = {name: None if b is None else b.clone() for name, b in module._buffers.items()}
    made._modules = {name: _clone(part) for name, part in module._modules.items()}
    return made


def load_maml(folder: str | None) -> tuple[str, Callable[..., Any]]:
    """Return the peer's name and its MAML."""
    if folder is None:
        return "clone-and-update loop written from the paper", CloneMAML
    # The package's own __init__ imports gym, torchvision and its C extensions; the algorithm needs none.
    for name in ("learn2learn", "learn2learn.algorithms"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(folder, *name.split(".")))]
        sys.modules[name] = package
    return "learn2learn 0.2.0, as published", importlib.import_module("learn2learn.algorithms.maml").MAML


def mlp() -> nn.Module:
    """Return the sinusoid's network, 1-40-40-1."""
    return nn.Sequential(
        nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1), nn.Flatten(0)
    )


def conv4(out: int | None) -> nn.Module:
    """Return four blocks of 64 channels for 28 x 28 images, with a linear head if asked for."""
    layers: list[nn.Module] = []
    for into in (1, 64, 64, 64):
        layers += [nn.Conv2d(into, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
    layers.append(nn.Flatten())
    return nn.Sequential(*layers, *([] if out is None else [nn.Linear(64, out)]))


def half_squares(predicted: Tensor, target: Tensor) -> Tensor:
    """Return half the mean squared error."""
    return 0.5 * nn.functional.mse_loss(predicted, target)


def maml_loss(
    maml: Any, loss: Callable[[Tensor, Tensor], Tensor], steps: int, tasks: list[tuple[Tensor, ...]]
) -> Tensor:
    """Return the mean query loss of some tasks (x, y, query x, query y) after the inner steps."""
    total = torch.zeros(())
    for x, y, query_x, query_y in tasks:
        learner = maml.clone()
        for _ in range(steps):
            learner.adapt(loss(learner(x), y))
        total = total + loss(learner(query_x), query_y)
    return total / len(tasks)


def prototype_loss(net: nn.Module, x: Tensor, query_x: Tensor, query_y: Tensor, ways: int) -> Tensor:
    """Return a prototypical network's loss on one episode; the support's rows lie class by class."""
    features = net(torch.cat([x, query_x]))
    centres = features[: len(x)].reshape(ways, -1, features.shape[1]).mean(1)
    return nn.functional.cross_entropy(-torch.cdist(features[len(x) :], centres).square(), query_y)


class EpisodeDataset(Dataset[tuple[Tensor, ...]]):
    """An episode an item: classes, then the images of each at once; leaner than what is usual."""

    def __init__(self, images: Tensor, ways: int, shots: int, queries: int) -> None:
        self.images, self.ways, self.shots, self.queries = images, ways, shots, queries

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, number: int) -> tuple[Tensor, ...]:
        support, query = [], []
        for place in torch.randperm(len(self.images))[: self.ways].tolist():
            own = self.images[place][torch.randperm(self.images.shape[1])[: self.shots + self.queries]]
            support.append(own[: self.shots])
            query.append(own[self.shots :])
        labels = torch.arange(self.ways)
        return (
            torch.cat(support),
            labels.repeat_interleave(self.shots),
            torch.cat(query),
            labels.repeat_interleave(self.queries),
        )


class ImageDataset(Dataset[tuple[Tensor, int]]):
    """An image an item."""

    def __init__(self, images: Tensor) -> None:
        self.images, self.each = images.flatten(0, 1), images.shape[1]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        return self.images[number], number // self.each


class EpisodeSampler(Sampler[list[int]]):
    """The images of so many episodes at a time, by number: classes, then images of each."""

    def __init__(self, classes: int, each: int, ways: int, rows: int, batch: int) -> None:
        self.classes, self.each, self.ways, self.rows, self.batch = classes, each, ways, rows, batch

    def __iter__(self) -> Iterator[list[int]]:
        while True:
            yield [
                place * self.each + row
                for _ in range(self.batch)
                for place in torch.randperm(self.classes)[: self.ways].tolist()
                for row in torch.randperm(self.each)[: self.rows].tolist()
            ]


@dataclass(frozen=True)
class Collate:
    """Turns a list of images into a batch of episodes, as `EpisodeDataset` has them."""

    ways: int
    shots: int
    rows: int

    def __call__(self, items: list[tuple[Tensor, int]]) -> tuple[Tensor, ...]:
        images = torch.stack([image for image, _ in items])
        images = images.unflatten(0, (-1, self.ways, self.rows))
        labels = torch.arange(self.ways).expand(len(images), -1)
        queries = self.rows - self.shots
        return (
            images[:, :, : self.shots].flatten(1, 2),
            labels.repeat_interleave(self.shots, 1),
            images[:, :, self.shots :].flatten(1, 2),
            labels.repeat_interleave(queries, 1),
        )


def loader(
    images: Tensor, ways: int, shots: int, queries: int, batch: int, workers: int, item: str
) -> DataLoader[Any]:
    """Return batches of episodes without end; an item of the data set is an "image" or an "episode"."""
    if item == "episode":
        dataset = EpisodeDataset(images, ways, shots, queries)
        return DataLoader(dataset, batch_size=batch, num_workers=workers)
    rows = shots + queries
    sampler = EpisodeSampler(len(images), images.shape[1], ways, rows, batch)
    return DataLoader(
        ImageDataset(images),
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=Collate(ways, shots, rows),
    )
