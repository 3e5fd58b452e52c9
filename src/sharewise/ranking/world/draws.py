"""Random numbers for whole hours at once: NumPy generators under the library's named streams."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sharewise.streams import derive_seed

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return a generator of its own: ``generator(0, "slates", hour)``."""
    return np.random.Generator(np.random.SFC64(derive_seed(seed, "world", *names)))


def normal(rng: np.random.Generator, *shape: int) -> Floats:
    """Draw from N(0, 1)."""
    return rng.standard_normal(shape, dtype=np.float32)


def uniform(rng: np.random.Generator, *shape: int) -> Floats:
    """Draw from [0, 1)."""
    return rng.random(shape, dtype=np.float32)


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x))."""
    result = np.negative(x)
    np.exp(result, out=result)
    result += np.float32(1)
    return np.reciprocal(result, out=result)
