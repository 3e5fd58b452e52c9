"""A journal: what is half written is cut off, what is whole stays, what is closed takes no more."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sharewise.errors import SharewiseError
from sharewise.ranking.service.journal import ClosedJournalError, Journal, read_journal


def journal_of(path: Path, count: int) -> bytes:
    journal = Journal(path)
    for number in range(count):
        journal.append({"n": number, "text": "é\n"}, durable=number % 2 == 0)
    journal.close()
    return path.read_bytes()


def test_wherever_writing_stops_the_records_before_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "j"
    content = journal_of(path, 3)
    ends = [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        Journal(path).append({"n": "next"}, durable=True)
        whole = sum(end <= length for end in ends)
        assert [record["n"] for record in read_journal(path)] == [*range(whole), "next"]


def test_a_flipped_bit_costs_its_own_record_alone(tmp_path: Path) -> None:
    content = journal_of(tmp_path / "j", 3)
    second = content.index(b"\n") + 15
    for place in (second, second - 12):
        damaged = bytearray(content)
        damaged[place] ^= 1
        (tmp_path / "j").write_bytes(damaged)
        Journal(tmp_path / "j").append({"n": 3}, durable=True)
        assert [record["n"] for record in read_journal(tmp_path / "j")] == [0, 2, 3]


def test_many_threads_add_whole_records_and_share_flushes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, flushes, sync = Journal(tmp_path / "j"), [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (flushes.append(file), sync(file))[1])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: journal.append({"n": n}, durable=True), range(200)))
    assert sorted(record["n"] for record in read_journal(tmp_path / "j")) == list(range(200))
    assert 1 <= len(flushes) <= 200


def test_a_record_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "j")

    def broken(_: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    journal.append({"n": 0}, durable=False)
    with pytest.raises(SharewiseError, match="could not be written"):
        journal.append({"n": 1}, durable=True)


def test_a_full_disk_leaves_no_part_of_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "j")
    journal.append({"n": 0}, durable=True)
    write = os.write
    state = {"left": 1}

    def full(file: int, content: bytes) -> int:
        if not state["left"]:
            raise OSError(errno.ENOSPC, "no space left on device")
        state["left"] -= 1
        return write(file, bytes(content)[:5])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(SharewiseError, match="Free some space"):
            journal.append({"n": 1}, durable=True)
    journal.append({"n": 2}, durable=True)
    assert [record["n"] for record in read_journal(tmp_path / "j")] == [0, 2]
    assert len((tmp_path / "j").read_bytes().splitlines()) == 2


def test_a_closed_journal_takes_no_more(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(1, durable=False)
    journal.close()
    journal.close()
    with pytest.raises(ClosedJournalError):
        journal.append(2, durable=True)
    assert list(read_journal(tmp_path / "j")) == [1]
