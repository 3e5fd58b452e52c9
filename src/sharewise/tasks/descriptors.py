"""Task descriptors z: an index, attributes, or a text, as one row of numbers a task."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sharewise.errors import ConfigError, nearest
from sharewise.tasks.task import TaskSet

TextEncoder = Callable[[str], Sequence[float]]

DESCRIPTORS = ("index", "attributes", "text")


def encode_text(text: str, buckets: int = 64, ngram: int = 3) -> tuple[float, ...]:
    """Encode a text by its hashed character n-grams and words, scaled to unit length.

    The hashing trick with signs (Weinberger et al. 2009): no vocabulary, equal on every machine and run.

    Args:
        text: any text; case and runs of white space do not matter.
        buckets: length of the code.
        ngram: characters per n-gram; words are counted too.
    """
    words = text.lower().split()
    padded = f" {' '.join(words)} "
    grams = [padded[i : i + ngram] for i in range(len(padded) - ngram + 1)] + words
    code = [0.0] * buckets
    for gram in grams:
        digest = int.from_bytes(hashlib.blake2b(gram.encode(), digest_size=8).digest(), "big")
        code[digest % buckets] += 1.0 if digest >> 63 else -1.0
    length = sum(c * c for c in code) ** 0.5
    return tuple(c / length for c in code) if length else tuple(code)


def describe(
    tasks: TaskSet, descriptor: str = "index", encoder: TextEncoder = encode_text
) -> Float[Tensor, "tasks size"] | None:
    """Return the tasks' descriptors as a matrix, or None for the index (a one-hot row each, never built).

    Args:
        tasks: the tasks.
        descriptor: "index", "attributes" (standardised over tasks) or "text".
        encoder: text -> numbers, for "text".

    Raises:
        ConfigError: if the descriptor is unknown, or a task lacks what it needs.
    """
    if descriptor == "index":
        return None
    if descriptor == "attributes":
        sizes = {len(task.attributes) for task in tasks}
        if len(sizes) != 1 or sizes == {0}:
            raise ConfigError(
                f"Tasks have attribute vectors of lengths {sorted(sizes)}.",
                "Give every task the same positive number of attributes.",
            )
        matrix = torch.tensor([task.attributes for task in tasks], dtype=torch.float64)
        spread = matrix.std(dim=0, correction=0) if len(tasks) > 1 else torch.ones(matrix.shape[1])
        return ((matrix - matrix.mean(dim=0)) / torch.where(spread > 0, spread, 1.0)).float()
    if descriptor == "text":
        missing = [task.name for task in tasks if not task.text]
        if missing:
            raise ConfigError(
                f"Task '{missing[0]}' has no text to be described by.", "Give every task a text."
            )
        if len(tasks) > 1 and len({task.text for task in tasks}) == 1:
            raise ConfigError(
                "All tasks have the same text, which tells them apart by nothing.",
                "Give each a text of its own; with a task column, name the column of texts: descriptor_text.",
            )
        return torch.tensor([list(encoder(task.text)) for task in tasks], dtype=torch.float32)
    raise ConfigError(f"Descriptor '{descriptor}' is unknown.", nearest(descriptor, DESCRIPTORS))
