"""Do many requests, in this process or in several workers at a time; the answers do not depend on which.

Every trial runs on the same number of threads wherever it runs, since sums over another number of threads
round differently.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

import sharewise
from sharewise.errors import SharewiseError
from sharewise.study.progress import StudyProgress
from sharewise.study.splits import StudyData
from sharewise.study.worker import perform

#: A request with the name of its trial.
Request = tuple[str, dict[str, Any]]

#: Not ``-m``, which would import the module a second time under another name.
_START = "from sharewise.study.worker import start; start()"


class Workers(AbstractContextManager["Workers"]):
    """Processes for the length of a study.

    Args:
        data: the table.
        jobs: trials at a time; 1 works in this process.
        threads: of every trial.
        progress: told of trials.
    """

    def __init__(self, data: StudyData, jobs: int, threads: int, progress: StudyProgress) -> None:
        self._data, self._threads, self._progress = data, threads, progress
        self._jobs = jobs if data.portable() else 1
        if self._jobs < jobs:
            progress.note("Kinds of your own are known in this process only: one trial runs at a time.")
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._processes: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self._stack.close()

    def do(self, stage: str, requests: Sequence[Request]) -> dict[str, dict[str, Any]]:
        """Do all requests and return the answers by name.

        Raises:
            SharewiseError: of the first request that failed for the user to mend, or of a worker that died.
        """
        self._progress.stage(stage, len(requests))
        if self._jobs == 1:
            return self._here(requests)
        self._start(min(self._jobs, len(requests)))
        return self._there(deque(requests))

    def _here(self, requests: Sequence[Request]) -> dict[str, dict[str, Any]]:
        answers = {}
        with _threads(self._threads):
            for name, request in requests:
                answers[name] = perform(request, self._data, partial(self._progress.step, name))
                self._progress.done(name)
        return answers

    def _start(self, count: int) -> None:
        if self._folder is None:
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sharewise-")))
            self._data.save(self._folder)
        command = [sys.executable, "-c", _START, str(self._folder), str(self._threads)]
        while len(self._processes) < count:
            self._processes.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                    env=_environment(self._threads),
                )
            )

    def _there(self, waiting: deque[Request]) -> dict[str, dict[str, Any]]:
        answers: dict[str, dict[str, Any]] = {}
        errors: list[Exception] = []

        def serve(process: subprocess.Popen[str]) -> None:
            while not errors:
                with self._lock:
                    if not waiting:
                        return
                    name, request = waiting.popleft()
                try:
                    answers[name] = self._ask(process, name, request)
                except Exception as error:  # raised again below, in the caller's thread
                    errors.append(error)

        threads = [
            threading.Thread(target=serve, args=(process,), daemon=True) for process in self._processes
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return answers

    def _ask(self, process: subprocess.Popen[str], name: str, request: dict[str, Any]) -> dict[str, Any]:
        for answer in _conversation(process, request):
            if "share" in answer:
                with self._lock:
                    self._progress.step(name, answer["share"])
                continue
            if "error" in answer:
                raise SharewiseError(*answer["error"])
            with self._lock:
                self._progress.done(name)
            result: dict[str, Any] = answer["result"]
            return result
        raise SharewiseError(
            f"The worker that ran '{name}' ended (exit code {process.wait()}).",
            "If memory ran out, use fewer jobs; run it again: finished trials are kept.",
        )


def _conversation(process: subprocess.Popen[str], request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a worker has no pipes")
    with suppress(BrokenPipeError):  # a worker that has ended says nothing, which is reported
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
    while line := process.stdout.readline():
        yield json.loads(line)


def _environment(threads: int) -> dict[str, str]:
    # A worker is no part of a group of processes that its parent may be in.
    apart = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    kept = {key: value for key, value in os.environ.items() if key not in apart}
    home = str(Path(sharewise.__file__).parent.parent)
    paths = [home, *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": str(threads)}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
