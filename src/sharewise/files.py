"""Durable files: a reader sees the old content or the new one, never half of it, whenever the power fails.

Every write goes to a temporary name in the same folder, is flushed to the disk and renamed; then the folder
is flushed too.
A manifest seals what was written: a flipped bit or a cut file is refused when it is read.
Temporary names start with a dot and end in ``.tmp``; `sweep` removes those that a killed process left.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sharewise.errors import CheckpointError, SharewiseError

MANIFEST = "manifest.json"

_REMEDIES = {
    errno.ENOSPC: "Free some space on the disk, then run it again: it goes on where it stopped.",
    errno.EDQUOT: "Free some of your disk quota, then run it again: it goes on where it stopped.",
    errno.EFBIG: "Raise the limit on the size of files, then run it again: it goes on where it stopped.",
    errno.EACCES: "Choose a folder that you may write to.",
    errno.EPERM: "Choose a folder that you may write to.",
    errno.EROFS: "Choose a folder on a disk that can be written to.",
    errno.ENOTDIR: "Choose another folder: a part of this path is a file.",
    errno.EEXIST: "Choose another folder: a file has this name.",
}


@contextmanager
def reported(path: Path, action: str = "written") -> Iterator[None]:
    """Turn the system's errors about `path` into one that a user can mend."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = _REMEDIES.get(error.errno or 0, "Check the path and the disk, then run it again.")
        raise SharewiseError(f"'{path}' could not be {action}: {reason}.", remedy) from error


def sha256(content: bytes) -> str:
    """Return the SHA-256 of `content` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def to_json(value: Any) -> bytes:
    """Return `value` as JSON that depends on the value alone; numbers that are not finite become null."""
    text = json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, if they are not there."""
    with reported(folder, "made"):
        folder.mkdir(parents=True, exist_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole and durably, or leave what was there.

    Raises:
        SharewiseError: if the disk is full or the folder cannot be written to; nothing is left behind.
    """
    _replace(path, lambda temporary: _write(temporary, content))


def write_json(path: Path, value: Any) -> None:
    """Write `to_json(value)` as `write_bytes` does."""
    write_bytes(path, to_json(value))


def write_folder(path: Path, contents: Mapping[str, bytes], volatile: Collection[str] = ()) -> None:
    """Write a folder of files with their manifest, whole and durably, or leave what was there."""

    def fill(temporary: Path) -> None:
        temporary.mkdir()
        hashes = {name: sha256(content) for name, content in contents.items()}
        for name, content in {**contents, MANIFEST: _manifest(hashes, volatile)}.items():
            _write(temporary / name, content)
        sync_folder(temporary)

    _replace(path, fill)


def append(path: Path, content: bytes) -> None:
    """Add to the end of a file that may lose its end: a log to look at, written anew on resuming."""
    with reported(path):
        _write(path, content, os.O_APPEND, sync=False)


def sweep(folder: Path) -> None:
    """Remove what killed processes left half written in `folder`."""
    with reported(folder):
        for path in folder.glob(".*.tmp"):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; nothing happens if it is not there."""
    with reported(path, "removed"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _replace(path: Path, fill: Callable[[Path], None]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with reported(path):
        try:
            remove(temporary)
            fill(temporary)
            _take_place(temporary, path)
        except BaseException:  # an interrupt by the keyboard must not leave it behind either
            shutil.rmtree(temporary, ignore_errors=True) if temporary.is_dir() else temporary.unlink(True)
            raise
        sync_folder(path.parent)


def _take_place(temporary: Path, path: Path) -> None:
    # The system replaces files in one move, but no folder that holds something: the old one moves away first.
    if not path.is_dir():
        os.replace(temporary, path)
        return
    old = path.with_name(f".{path.name}.{os.getpid()}.old.tmp")
    remove(old)
    os.replace(path, old)
    try:
        os.replace(temporary, path)
    except BaseException:
        os.replace(old, path)
        raise
    remove(old)


def _write(path: Path, content: bytes, mode: int = os.O_TRUNC, sync: bool = True) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | mode | getattr(os, "O_BINARY", 0), 0o644)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(file, left) :]
        if sync:
            os.fsync(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Let the names of a folder's files be on the disk."""
    if os.name == "nt":  # has no such thing
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@dataclass(frozen=True)
class Manifest:
    """What a sealed folder holds.

    Attributes:
        files: SHA-256 by file name.
        digest: one SHA-256 over the files that the same run writes again bit for bit.
    """

    files: dict[str, str]
    digest: str


def seal(folder: Path, names: Iterable[str], volatile: Collection[str] = ()) -> Manifest:
    """Write the manifest of these files of `folder`; `volatile` ones (times) stay out of the digest."""
    with reported(folder, "read"):
        hashes = {name: sha256_file(folder / name) for name in names}
    content = _manifest(hashes, volatile)
    write_bytes(folder / MANIFEST, content)
    return _parse(folder, content)


def verify(folder: Path) -> Manifest:
    """Check every file that the folder's manifest names, and return it.

    Raises:
        CheckpointError: if the manifest or a file is missing, cut or changed.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise CheckpointError(
            f"'{folder}' holds no finished run: it has no {MANIFEST}.", "Run it again to finish it."
        )
    with reported(path, "read"):
        manifest = _parse(folder, path.read_bytes())
    for name, expected in manifest.files.items():
        _check(folder / name, expected)
    return manifest


def _check(path: Path, expected: str) -> None:
    if not path.is_file():
        raise CheckpointError(f"'{path}' is missing.", "Restore it from a copy, or run it again.")
    with reported(path, "read"):
        if sha256_file(path) != expected:
            raise CheckpointError(
                f"'{path}' is damaged: its content is not what was written.",
                "Restore it from a copy, or run it again.",
            )


def _manifest(hashes: Mapping[str, str], volatile: Collection[str]) -> bytes:
    lasting = [f"{name}\0{hashes[name]}\n" for name in sorted(hashes) if name not in volatile]
    body = {"digest": sha256("".join(lasting).encode()), "files": dict(sorted(hashes.items()))}
    return to_json({**body, "seal": sha256(to_json(body))})


def _parse(folder: Path, content: bytes) -> Manifest:
    # Compared as bytes with what its own values give: no changed bit passes, not even one of white space.
    try:
        values = json.loads(content)
        body = {"digest": values["digest"], "files": values["files"]}
        if to_json({**body, "seal": sha256(to_json(body))}) == content:
            return Manifest(body["files"], body["digest"])
    except (ValueError, KeyError, TypeError):
        pass  # reported below, like any other damage
    raise CheckpointError(
        f"'{folder / MANIFEST}' is damaged.", "Restore the folder from a copy, or run it again."
    )
