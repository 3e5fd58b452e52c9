"""Images in folders, one folder a class, as tasks: which of a few classes is this?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sharewise.data.episodes.condition import Condition
from sharewise.data.episodes.episode_set import EpisodeSet
from sharewise.data.episodes.labelled import LabelledExamples
from sharewise.data.splits import PARTS
from sharewise.errors import DataError
from sharewise.streams import stream
from sharewise.tasks import InputSpec

ENDINGS = (".png", ".jpg", ".jpeg")
#: What is read, whatever a file's name says: Pillow's other decoders are many, and seldom looked at.
FORMATS = ("PNG", "JPEG")


class _Class(NamedTuple):
    """A folder of images; the group is the folder around it, or the class itself."""

    name: str
    group: str
    files: list[Path]


def read_folder(
    path: str | os.PathLike[str],
    size: int = 28,
    *,
    colour: bool = False,
    valid: float = 0.2,
    test: float = 0.2,
    seed: int = 0,
    within: float = 0.0,
) -> EpisodeSet:
    """Read a folder of images: ``class/image.png``, or ``group/class/image.png``, such as alphabets.

    Pixels are from 0 to 1. Classes are apart in the splits; with groups, whole groups are.

    Args:
        path: of the folder.
        size: pixels of a side that images are brought to; their proportions are not kept.
        colour: three channels of colour instead of one of grey.
        valid: share of the classes (or groups) to choose by.
        test: share of them to test by.
        seed: draws the split.
        within: the share of training tasks whose classes are all of one group, 0 to 1.

    Raises:
        DataError: if there is no such folder, Pillow is not installed, an image cannot be read, or there are
            too few classes for the splits.
    """
    root = Path(path)
    classes = _classes(root)
    part = _split(classes, valid, test, seed)
    found = {
        name: _examples(own, size, colour, within if name == "train" else 0.0)
        for name in PARTS
        if (own := [c for c in classes if part[c.group] == name])
    }
    shots = min(len(c.files) for c in classes)
    ways = min(5, *(source.drawn_classes for source in found.values()))
    return EpisodeSet(
        name=root.name,
        train=found["train"],
        valid=found.get("valid"),
        test=found.get("test"),
        condition=Condition(shots=1, queries=min(max(shots - 1, 1), 15), ways=ways),
        description=f"Images of {len(classes)} classes in the folder '{root.name}'.",
        source=str(root),
        licence="the folder's own",
    )


def read_images(files: Sequence[Path], size: int, colour: bool = False) -> Tensor:
    """Read images, uint8 ``[images, channels, size, size]``.

    Raises:
        DataError: if Pillow is not installed, or a file is no image.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise DataError(
            "Reading images needs Pillow, which is not installed.",
            "Install it with: pip install 'sharewise[images]'.",
        ) from error
    if not 1 <= size <= 1024:
        raise DataError(f"Images are to have {size} pixels a side.", "Use 1 to 1024.")
    found = np.empty((len(files), size, size, 3 if colour else 1), dtype=np.uint8)
    for i, file in enumerate(files):
        try:
            with Image.open(file, formats=FORMATS) as image:
                shrunk = image.convert("RGB" if colour else "L").resize((size, size), Image.Resampling.BOX)
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise DataError(f"The image '{file}' cannot be read: {error}.", "Use PNG or JPEG.") from error
        found[i] = np.asarray(shrunk).reshape(size, size, -1)
    return torch.from_numpy(found.transpose(0, 3, 1, 2).copy())


def _classes(root: Path) -> list[_Class]:
    """Return the folders with images, in order of name."""
    if not root.is_dir():
        raise DataError(f"There is no folder '{root}'.", "Check the path.")
    folders = [folder for folder in sorted(root.rglob("*")) if folder.is_dir()]
    images = {folder: _images(folder) for folder in folders}
    found = []
    for folder, files in images.items():
        steps = folder.relative_to(root).parts
        if files and len(steps) > 2:
            raise DataError(f"The folder '{folder}' lies too deep.", "Use class/image, or group/class/image.")
        if files:
            found.append(_Class("/".join(steps), steps[0], files))
    grouped = {"/" in c.name for c in found}
    if len(grouped) > 1:
        raise DataError(
            f"In '{root}', some images lie one folder deep and some two.",
            "Use class/image everywhere, or group/class/image everywhere.",
        )
    if len(found) < 2:
        raise DataError(
            f"The folder '{root}' holds {len(found)} classes.",
            f"Make a folder of {', '.join(ENDINGS)} images for each of several classes.",
        )
    return found


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and p.is_file())


def _split(classes: Sequence[_Class], valid: float, test: float, seed: int) -> dict[str, str]:
    """Return the split of every group; each that has a share has at least one group."""
    groups = sorted({c.group for c in classes})
    if not (valid >= 0 and test >= 0 and valid + test < 1):
        raise DataError(
            f"A split of {valid} for validation and {test} for test leaves nothing to train on.",
            "Choose shares that are not negative and sum to less than 1.",
        )
    order = torch.randperm(len(groups), generator=stream(seed, "split of folders")).tolist()
    tests, valids = (max(round(len(groups) * share), 1) if share else 0 for share in (test, valid))
    named = ["test"] * tests + ["valid"] * valids
    named += ["train"] * (len(groups) - len(named))
    part = {groups[i]: name for i, name in zip(order, named, strict=False)}
    for name in dict.fromkeys(named) if "train" in named else PARTS:
        count = sum(part[c.group] == name for c in classes)
        if count < 2:
            raise DataError(
                f"The {name} split has {count} of {len(classes)} classes; a task needs two.",
                "Give images of more classes or groups, or choose other shares.",
            )
    return part


def _examples(classes: Sequence[_Class], size: int, colour: bool, within: float) -> LabelledExamples:
    files = [file for c in classes for file in c.files]
    counts = torch.tensor([len(c.files) for c in classes])
    groups = sorted({c.group for c in classes})
    return LabelledExamples(
        InputSpec(image=(3 if colour else 1, size, size)),
        {"image": read_images(files, size, colour)},
        torch.arange(len(classes)).repeat_interleave(counts),
        [c.name for c in classes],
        torch.tensor([groups.index(c.group) for c in classes]),
        within,
    )
