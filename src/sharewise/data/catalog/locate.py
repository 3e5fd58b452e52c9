"""Where a data set's file is: the user's folder, the cache, an installed package, or its official address.

The order is: the folder named by SHAREWISE_DATA, the cache, the address. What is found is checked by sha256
before it is used, so that a file cut short or of another version is refused.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from sharewise.errors import DataError
from sharewise.files import sha256_file

ENVIRONMENT = "SHAREWISE_DATA"
TIMEOUT_SECONDS = 30.0
CHUNK = 1 << 20


@dataclass(frozen=True)
class Resource:
    """A file of a data set.

    Attributes:
        path: where it lies below the data folder: "data-set/file".
        sha256: of the file's bytes, in hexadecimal.
        address: where it is downloaded from; empty where it only exists as a copy of one's own.
    """

    path: str
    sha256: str
    address: str = ""


def cache_folder() -> Path:
    """Return the folder of derived and downloaded files: $XDG_CACHE_HOME/sharewise or ~/.cache/sharewise."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if base else Path.home() / ".cache") / "sharewise"


def find(resource: Resource) -> Path | None:
    """Return the checked file if it is on this machine, or None.

    Raises:
        DataError: if there is a file of that name with other content.
    """
    folder = os.environ.get(ENVIRONMENT)
    for base in ([Path(folder)] if folder else []) + [cache_folder()]:
        path = base / resource.path
        if path.is_file():
            _check(path, resource)
            return path
    return None


def locate(resource: Resource) -> Path:
    """Return the checked file, downloading it into the cache if it is not on this machine.

    Raises:
        DataError: if it can neither be found nor fetched, or its content is not the expected one.
    """
    return find(resource) or _download(resource)


def package_file(package: str, path: str, extra: str) -> Path:
    """Return a file shipped inside an installed package, without importing the package.

    Args:
        package: the name of the top-level package.
        path: the file's path inside it.
        extra: the extra of Sharewise that installs the package.

    Raises:
        DataError: if the package is not installed, or does not hold the file.
    """
    spec = importlib.util.find_spec(package)
    remedy = f"Install it with: pip install 'sharewise[{extra}]'."
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"The data comes with the package '{package}', which is not installed.", remedy)
    file = Path(spec.submodule_search_locations[0]) / path
    if not file.is_file():
        raise DataError(f"The installed package '{package}' holds no file '{path}'.", remedy)
    return file


def _check(path: Path, resource: Resource) -> None:
    found = sha256_file(path)
    if found != resource.sha256:
        raise DataError(
            f"The file {path} is not the expected one: its sha256 begins with {found[:12]}, "
            f"not with {resource.sha256[:12]}.",
            f"Replace it by the original from {resource.address}." if resource.address else "Remove it.",
        )


def _download(resource: Resource) -> Path:
    target = cache_folder() / resource.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
            partial = Path(folder) / target.name
            _fetch(resource.address, partial)
            _check(partial, resource)
            partial.replace(target)
    except OSError as error:  # URLError and time-outs are OSErrors too
        raise DataError(
            f"The file '{resource.path}' is not on this machine, "
            f"and fetching it from {resource.address or 'nowhere'} failed ({error}).",
            f"Fetch it yourself and put it at {target}, or set {ENVIRONMENT} to a folder "
            f"that holds '{resource.path}'.",
        ) from error
    return target


def _fetch(address: str, path: Path) -> None:
    if not address.startswith("https://"):
        raise OSError("it has no address")
    with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as response, path.open("wb") as file:
        while chunk := response.read(CHUNK):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
