"""Faults for `crash.py`: children that die or run out of disk at a chosen call, and damaged files."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

from sharewise.errors import SharewiseError

CALLS = ("write", "fsync", "replace")
PHASES = ("before", "inside", "after")
DAMAGES = ("flip", "cut", "zero")
FINISHED, REFUSED, BROKEN = 0, 2, 3  # a child's exit codes


def hook(
    calls: tuple[str, ...], before: Callable[[int, str, tuple[Any, ...]], None], after: Callable[[int], None]
) -> None:
    """Have `before(number, name, arguments)` and `after(number)` called around these calls of the system."""
    count = iter(range(1 << 30))

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any) -> Any:
            number = next(count)
            before(number, name, arguments)
            result = real(*arguments)
            after(number)
            return result

        setattr(os, name, call)

    for name in calls:
        wrap(name)


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(at: int, phase: str) -> Callable[[], None]:
    """Return a set-up that kills the process at call number `at`: before, half way through, or after it."""
    write = os.write

    def before(number: int, name: str, arguments: tuple[Any, ...]) -> None:
        if number == at and phase == "before":
            die()
        if number == at and phase == "inside":
            if name == "write":
                write(arguments[0], arguments[1][: len(arguments[1]) // 2])
            die()

    def after(number: int) -> None:
        if number == at:
            die()

    return lambda: hook(CALLS, before, after)


def full_at(at: int) -> Callable[[], None]:
    """Return a set-up in which the disk is full from the write with this number on."""
    write = os.write

    def before(number: int, name: str, arguments: tuple[Any, ...]) -> None:
        if number == at:
            write(arguments[0], arguments[1][: len(arguments[1]) // 2])
        if number >= at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda: hook(("write",), before, lambda number: None)


def small_files(limit: int) -> Callable[[], None]:
    """Return a set-up in which the system itself refuses files larger than `limit` bytes."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return limited


def child(work: Callable[[], None], setup: Callable[[], None] = lambda: None) -> int:
    """Fork, set up, work; return the process id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = BROKEN
    try:
        setup()
        work()
        code = FINISHED
    except SharewiseError as error:
        code = REFUSED if _clear(error) else BROKEN
        if code == BROKEN:
            print(f"not clear: {error}", file=sys.stderr)
    except Exception as error:  # whatever it is, the parent counts it
        print(f"broken: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        os._exit(code)


def _clear(error: SharewiseError) -> bool:
    return "space" in str(error) or "too large" in str(error)


def wait(pid: int) -> int:
    """Return a child's exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def damaged(content: bytes, damage: str, chance: random.Random) -> bytes:
    """Return `content` with one bit flipped, its end cut off, or a page of zeros."""
    at = chance.randrange(len(content))
    if damage == "cut":
        return content[:at]
    if damage == "zero":
        page = at // 4096 * 4096
        hole = content[page : page + 4096]
        return content[:page] + bytes(len(hole)) + content[page + len(hole) :]
    flipped = content[at] ^ (1 << chance.randrange(8))
    return content[:at] + bytes([flipped]) + content[at + 1 :]
