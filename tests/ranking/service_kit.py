"""Small rankers and candidates to serve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from sharewise.cli.main import main

RANKER = """
[log]
source = "log"
{log}
[model]
sharing = "{sharing}"
experts = 2
hidden = [8]
embedding = 4

[bias]
kind = "{bias}"

[train]
batch_size = 128
seed = {seed}
device = "cpu"
"""


@dataclass(frozen=True)
class Trained:
    """Folders.

    Attributes:
        root: of all of them; what POST /models may name.
        run: of a ranker's training.
        ranker: the same, exported.
        other: another ranker, exported.
        candidates: their run.
    """

    root: Path
    run: Path
    ranker: Path
    other: Path
    candidates: Path


def train_ranker(
    folder: Path,
    bias: str = "tower",
    sharing: str = "mmoe",
    seed: int = 0,
    log: str = "",
    name: str = "ranker",
) -> Path:
    """Train a ranker on the folder's log; return its run."""
    text = RANKER.format(bias=bias, sharing=sharing, seed=seed, log=log)
    if sharing != "mmoe":
        text = text.replace("experts = 2\n", "")
    return _run(folder, "train", text, name)


def _run(folder: Path, command: str, text: str, name: str) -> Path:
    (folder / f"{name}.toml").write_text(text)
    with pytest.raises(SystemExit) as left:
        main(["rank", command, str(folder / f"{name}.toml"), "--out", str(folder / name)])
    assert not left.value.code
    return folder / name


CANDIDATES = """
[log]
source = "log"

[candidates]
count = 30
recall_at = [10]
remember_item = ["quality", "views"]

[two_tower]
size = 8
hidden = [16]
"""


def learn_candidates(folder: Path, text: str = CANDIDATES, name: str = "candidates") -> Path:
    """Learn candidates from the folder's log; return their run."""
    return _run(folder, "candidates", text, name)
