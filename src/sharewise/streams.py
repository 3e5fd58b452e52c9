"""Named random streams: the same seed and names give the same numbers, whatever else has been drawn."""

from __future__ import annotations

import hashlib

import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed for the stream with these names."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def stream(seed: int, *names: str | int) -> torch.Generator:
    """Return a generator of its own: ``stream(0, "rows", epoch)``."""
    return torch.Generator().manual_seed(derive_seed(seed, *names))
