"""Small pictures as PNG, so that evidence can hold them: no image library for twenty lines."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

#: Longest side kept, in pixels.
SIDE = 40
#: PNG's colour types by channels.
COLOUR_TYPES = {1: 0, 3: 2}


def pictures(images: Float[Tensor, "images channels height width"]) -> list[str]:
    """Return images as PNG in base64, their values stretched to the whole range, all alike.

    More than three channels, or two, are shown by their mean. Ink on paper: a single channel that is low in
    most places is turned round, so that what is drawn is dark.
    """
    shown = images.float()
    if shown.shape[1] not in COLOUR_TYPES:
        shown = shown.mean(1, keepdim=True)
    height, width = shown.shape[-2:]
    if max(height, width) > SIDE:
        share = SIDE / max(height, width)
        size = max(round(height * share), 1), max(round(width * share), 1)
        shown = torch.nn.functional.adaptive_avg_pool2d(shown, size)
    low, high = float(shown.min()), float(shown.max())
    shown = (shown - low) / ((high - low) or 1.0)
    if shown.shape[1] == 1 and float(shown.mean()) < 0.5:
        shown = 1 - shown
    levels = (255 * shown).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [base64.b64encode(_png(image)).decode() for image in levels]


def _png(image: NDArray[np.uint8]) -> bytes:
    height, width, channels = image.shape
    header = struct.pack(">2I5B", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # every row starts with its filter: none
    rows[:, 1:] = image.reshape(height, -1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
