"""A worker process: trains and tests trials that it is told of, a line of JSON each, until its input ends.

Started by `study.workers` as ``python -m sharewise.study.worker FOLDER THREADS``. It is a program of its own
rather than a fork, since a fork of a process whose libraries run threads may hang, and a copy of the caller's
main module would run the caller's script again.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import torch

from sharewise import files
from sharewise.errors import SharewiseError
from sharewise.study.runner import examine_trial, train_trial
from sharewise.study.splits import StudyData
from sharewise.study.trial import Trial

#: Seconds between two words on a trial's progress.
EVERY = 0.3


def perform(request: dict[str, Any], data: StudyData, steps: Callable[[float], None]) -> dict[str, Any]:
    """Do what a request asks: ``{"action": "train" | "test", "trial": ..., "folder": ...}``."""
    trial, folder = Trial.from_dict(request["trial"]), Path(request["folder"])
    if request["action"] == "train":
        return train_trial(trial, data, folder, steps)
    return examine_trial(trial, data, folder)


def main(folder: Path, threads: int) -> None:
    """Serve requests from standard input."""
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever prints shall not break the answers
    torch.set_num_threads(threads)
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    data = StudyData.load(folder)
    while True:
        _answer(answers, _attempt(json.loads(requests.get()), data, _told(answers)))


def _listen(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # nobody waits for the answer any more; a trial that was begun goes on from its checkpoint


def _attempt(request: dict[str, Any], data: StudyData, steps: Callable[[float], None]) -> dict[str, Any]:
    try:
        return {"result": perform(request, data, steps)}
    except SharewiseError as error:
        return {"error": [error.problem, error.remedy]}


def _told(answers: TextIO) -> Callable[[float], None]:
    last = time.monotonic()

    def steps(share: float) -> None:
        nonlocal last
        if time.monotonic() - last > EVERY:
            last = time.monotonic()
            _answer(answers, {"share": share})

    return steps


def _answer(answers: TextIO, value: dict[str, Any]) -> None:
    answers.write(json.dumps(json.loads(files.to_json(value))) + "\n")
    answers.flush()


def start() -> None:
    """Run as the process's only task; called by `Workers` with a folder and a number of threads."""
    main(Path(sys.argv[1]), int(sys.argv[2]))
