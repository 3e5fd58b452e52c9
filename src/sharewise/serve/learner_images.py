"""Adapting to images: a folder with a sub-folder a class, and a flat folder of images to tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.data.episodes import Shots
from sharewise.data.episodes.folder import ENDINGS, read_images
from sharewise.data.roles import PREDICTION
from sharewise.errors import DataError
from sharewise.meta import Learner, Predictor
from sharewise.meta.learner import check_support
from sharewise.serve.frames import columns_of
from sharewise.serve.learner_rows import check_steps
from sharewise.tasks import Task

FILE = "file"
#: Images predicted at once.
TOGETHER = 512


@dataclass(frozen=True)
class ImageReading:
    """How images become inputs.

    Attributes:
        size: pixels of a side.
        colour: three channels of colour instead of one of grey.
        dark: the training images were light on a dark ground; images on a light one are turned round.
    """

    size: int
    colour: bool = False
    dark: bool = False

    def read(self, files: list[Path], turned: bool) -> Float[Tensor, "images channels size size"]:
        """Return images, 0 to 1, turned round if asked for."""
        values = read_images(files, self.size, self.colour).float() / 255
        return 1 - values if turned else values


@dataclass(frozen=True)
class AdaptedImages:
    """What was learned from a few images of some classes.

    Attributes:
        learner: that learned.
        reading: how images become inputs.
        classes: names of the sub-folders.
        shots: images of each class.
        turned: light and dark were exchanged.
    """

    learner: Learner
    reading: ImageReading
    predictor: Predictor
    classes: tuple[str, ...]
    shots: tuple[int, ...]
    turned: bool

    def predict(self, folder: str | Path) -> pl.DataFrame:
        """Return a row for every image of a folder: ``file``, the likeliest class, all probabilities.

        Raises:
            DataError: if there is no such folder, or no image in it, or one cannot be read.
        """
        files = images_of(Path(folder))
        values = self.reading.read(files, self.turned)
        step = len(values) if self.learner.transductive else TOGETHER
        with torch.no_grad():
            parts = [
                self.predictor({"image": part.unsqueeze(0)}).outputs[0] for part in torch.split(values, step)
            ]
        task = Task(PREDICTION, self.learner.spec.kind, classes=self.classes)
        # Of a head with more outputs than there are classes here, those of these classes.
        shares = task.kind.link(torch.cat(parts)[:, : len(self.classes)])
        names = pl.Series([file.name for file in files])
        return pl.DataFrame({FILE: names, **columns_of(task, PREDICTION, shares)})


def adapt_images(
    learner: Learner, reading: ImageReading, folder: Path, steps: int | None = None
) -> AdaptedImages:
    """Learn from a folder of images; see `LearnerArtifact.adapt_folder`."""
    check_steps(learner, steps)
    files = _by_class(folder)
    counts = [len(own) for own in files.values()]
    values = reading.read([file for own in files.values() for file in own], False)
    turned = reading.dark and float(values.mean()) > 0.5
    if turned:
        values = 1 - values
    targets = torch.arange(len(files)).repeat_interleave(torch.tensor(counts)).float()
    shots = Shots({"image": values.unsqueeze(0)}, targets.unsqueeze(0))
    check_support(learner.spec, shots, len(files), learner.any_ways)
    with torch.no_grad():
        predictor = learner.adapt(shots, steps)
    return AdaptedImages(learner, reading, predictor, tuple(files), tuple(counts), turned)


def images_of(folder: Path) -> list[Path]:
    """Return the images of a folder, in order of name.

    Raises:
        DataError: if there is no such folder, or none in it.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder '{folder}'.", "Give a folder of images.")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and p.is_file())
    if not found:
        raise DataError(f"The folder '{folder}' holds no images.", f"Put {', '.join(ENDINGS)} files there.")
    return found


def _by_class(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise DataError(
            f"There is no folder '{folder}'.", "Give a folder with a sub-folder of images for every class."
        )
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(classes) < 2:
        raise DataError(
            f"The folder '{folder}' has {len(classes)} sub-folders; telling classes apart needs two.",
            "Make a sub-folder of images for every class.",
        )
    return {path.name: images_of(path) for path in classes}
