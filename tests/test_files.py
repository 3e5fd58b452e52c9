"""Atomic, durable writes, and manifests that notice every changed bit."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharewise import files
from sharewise.errors import CheckpointError, SharewiseError

CALLS = ("open", "write", "fsync", "replace", "close")


def fail_at(monkeypatch: pytest.MonkeyPatch, at: int, code: int = errno.ENOSPC) -> list[str]:
    """Let the call number `at` of the system fail; return the list that the calls' names go to."""
    seen: list[str] = []

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any, **more: Any) -> Any:
            seen.append(name)
            if len(seen) - 1 == at:
                if name == "close":
                    real(*arguments, **more)
                raise OSError(code, os.strerror(code))
            return real(*arguments, **more)

        monkeypatch.setattr(os, name, call)

    for name in CALLS:
        wrap(name)
    return seen


def test_write_makes_the_file(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "a", b"content")
    assert (tmp_path / "a").read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["a"]


def test_write_flushes_the_file_before_the_rename_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = fail_at(monkeypatch, at=-1)
    files.write_bytes(tmp_path / "a", b"content")
    order = [name for name in seen if name in ("write", "fsync", "replace")]
    assert order == ["write", "fsync", "replace", "fsync"]


@pytest.mark.parametrize("at", range(5))
def test_a_failed_write_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    files.write_bytes(tmp_path / "a", b"old")
    with monkeypatch.context() as patch:
        fail_at(patch, at)
        with pytest.raises(
            SharewiseError, match=r"'.*a' could not be written: no space left.*Free some space"
        ):
            files.write_bytes(tmp_path / "a", b"new")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("at", range(13))
def test_a_failed_folder_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    files.write_folder(tmp_path / "f", {"a": b"old"})
    with monkeypatch.context() as patch:
        fail_at(patch, at)
        with pytest.raises(SharewiseError):
            files.write_folder(tmp_path / "f", {"a": b"new"})
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f" / "a").read_bytes() == b"old"


def test_a_folder_replaces_another(tmp_path: Path) -> None:
    files.write_folder(tmp_path / "f", {"a": b"old", "b": b"more"})
    files.write_folder(tmp_path / "f", {"a": b"new"})
    assert os.listdir(tmp_path) == ["f"]
    assert files.verify(tmp_path / "f").files == {"a": files.sha256(b"new")}
    assert sorted(os.listdir(tmp_path / "f")) == ["a", "manifest.json"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_errors_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    fail_at(monkeypatch, 0, code)
    with pytest.raises(SharewiseError) as caught:
        files.write_bytes(tmp_path / "a", b"")
    assert caught.value.remedy
    assert os.strerror(code).lower() in caught.value.problem


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SharewiseError, match="could not be made"):
        files.make_folder(tmp_path / "file" / "run")


def test_sweep_removes_what_was_left(tmp_path: Path) -> None:
    (tmp_path / ".a.1.tmp").write_text("half")
    (tmp_path / ".step.2.tmp").mkdir()
    (tmp_path / "kept").write_text("")
    files.sweep(tmp_path)
    assert os.listdir(tmp_path) == ["kept"]


def test_json_is_strict_and_stable() -> None:
    value = {"b": [1.5, float("nan"), float("inf")], "a": ("ü", 2, True, None)}
    assert files.to_json(value) == files.to_json(dict(value))
    assert b"NaN" not in files.to_json(value)
    assert "ü".encode() in files.to_json(value)


def sealed(folder: Path) -> files.Manifest:
    folder.mkdir()
    for name, content in {"a": b"first", "b": b"\0" * 50, "time": b"12:00"}.items():
        files.write_bytes(folder / name, content)
    return files.seal(folder, ["b", "a", "time"], volatile={"time"})


def test_verify_returns_what_seal_wrote(tmp_path: Path) -> None:
    assert sealed(tmp_path / "x") == files.verify(tmp_path / "x")


def test_the_digest_leaves_times_out(tmp_path: Path) -> None:
    first = sealed(tmp_path / "x")
    files.write_bytes(tmp_path / "x" / "time", b"13:00")
    again = files.seal(tmp_path / "x", ["a", "b", "time"], volatile={"time"})
    assert again.digest == first.digest
    assert again.files != first.files
    files.write_bytes(tmp_path / "x" / "a", b"other")
    assert files.seal(tmp_path / "x", ["a", "b", "time"], volatile={"time"}).digest != first.digest


def test_every_changed_bit_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("bits") / "x"
    sealed(folder)

    @given(st.sampled_from(["a", "b", "time", files.MANIFEST]), st.floats(0, 1, exclude_max=True))
    @settings(max_examples=300, deadline=None)
    def check(name: str, where: float) -> None:
        content = (folder / name).read_bytes()
        byte, bit = divmod(int(where * 8 * len(content)), 8)
        (folder / name).write_bytes(content[:byte] + bytes([content[byte] ^ 1 << bit]) + content[byte + 1 :])
        with pytest.raises(CheckpointError):
            files.verify(folder)
        (folder / name).write_bytes(content[:byte])
        with pytest.raises(CheckpointError):
            files.verify(folder)
        (folder / name).write_bytes(content)

    check()
    files.verify(folder)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    sealed(tmp_path / "x")
    (tmp_path / "x" / "a").unlink()
    with pytest.raises(CheckpointError, match=r"'.*a' is missing"):
        files.verify(tmp_path / "x")
    with pytest.raises(CheckpointError, match="no finished run"):
        files.verify(tmp_path)
