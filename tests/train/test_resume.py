"""A run that was stopped anywhere goes on as if it had not been."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from train_stubs import TASKS, Data, Net, disjoint, make

from sharewise import files
from sharewise.balance import Balancer, make_balancer
from sharewise.errors import CheckpointError
from sharewise.train import Progress, Run, TrainOptions, fit
from stopping import StopAt, Stopped

OPTIONS = TrainOptions(
    epochs=2,
    batch_size=32,
    learning_rate=1e-2,
    schedule="cosine",
    warmup=3,
    clip=1.0,
    evals_per_epoch=2,
    checkpoint_every=1,
    precision="fp32",
    device="cpu",
)
DATA = make(130)
STEPS = 10


def memory() -> Balancer:
    """Weights that depend on all gradients so far."""
    return make_balancer(TASKS, "gradvac", beta=0.3, every=2)


def train(
    folder: Path, options: TrainOptions = OPTIONS, progress: Progress | None = None, seed: int = 0
) -> Net:
    model = Net(TASKS, seed=seed)
    fit(model, DATA, options, balancer=memory(), folder=folder, progress=progress)
    return model


def outcome(folder: Path) -> dict[str, str]:
    last = sorted((folder / "checkpoint").iterdir())[-1]
    hashes = {path.name: files.sha256_file(path) for path in last.iterdir()}
    return {**hashes, "digest": Run.open(folder).digest}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    train(folder)
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


@pytest.mark.parametrize("step", range(STEPS))
def test_stopped_at_any_step_it_ends_with_the_same_bits(finished: Path, tmp_path: Path, step: int) -> None:
    with pytest.raises(Stopped):
        train(tmp_path, progress=StopAt(step))
    train(tmp_path)
    assert outcome(tmp_path) == outcome(finished)


def test_stopped_at_every_step_it_ends_with_the_same_bits(finished: Path, tmp_path: Path) -> None:
    for _ in range(STEPS - 1):
        with pytest.raises(Stopped):
            train(tmp_path, progress=StopAt(1))
    train(tmp_path)
    assert outcome(tmp_path) == outcome(finished)


def test_stopped_between_checkpoints(tmp_path: Path) -> None:
    options = replace(OPTIONS, checkpoint_every=3, evals_per_epoch=1)
    train(tmp_path / "a", options)
    for step in (4, 3, 2):
        with pytest.raises(Stopped):
            train(tmp_path / "b", options, progress=StopAt(step))
    train(tmp_path / "b", options)
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b")


@pytest.mark.parametrize("step", [1, 4, 6, 9])
def test_shares_that_follow_the_gradients_go_on(tmp_path: Path, step: int) -> None:
    data = Data(TASKS, disjoint(130), disjoint(60, 1))
    options = replace(OPTIONS, sampling="pike", mix_every=3, mix_gain=1.0, checkpoint_every=2)

    def run(name: str, progress: Progress | None = None) -> None:
        fit(Net(TASKS), data, options, folder=tmp_path / name, progress=progress)

    run("a")
    with pytest.raises(Stopped):
        run("b", StopAt(step))
    run("b")
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b")
    shares = [record["shares"] for record in Run.open(tmp_path / "a").history()]
    assert shares[0] != shares[-1]
    assert all(sum(share.values()) == pytest.approx(1.0) for share in shares)


def test_checkpoints_change_nothing(finished: Path, tmp_path: Path) -> None:
    train(tmp_path, replace(OPTIONS, checkpoint_every=0))
    assert Run.open(tmp_path).digest == Run.open(finished).digest


def test_two_checkpoints_are_kept(finished: Path) -> None:
    names = sorted(path.name for path in (finished / "checkpoint").iterdir())
    assert names == ["step-00000009", "step-00000010"]


def test_a_finished_run_returns_at_once_and_writes_nothing(copied: Path, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*")}
    model = train(copied, progress=StopAt(0))
    assert before == {path: path.stat().st_mtime_ns for path in copied.rglob("*")}
    expected = Run.open(finished).weights()
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


def test_a_finished_run_s_damaged_files_are_written_anew(copied: Path, finished: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"")
    (copied / "log.jsonl").write_bytes(b"half a li")
    with pytest.raises(CheckpointError):
        Run.open(copied)
    train(copied, progress=StopAt(0))
    assert outcome(copied) == outcome(finished)


class Notes(Progress):
    """Remembers the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_damaged_checkpoint_is_skipped_and_the_user_told(copied: Path, finished: Path) -> None:
    (copied / "manifest.json").unlink()
    path = copied / "checkpoint" / f"step-{STEPS:08d}" / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    notes = Notes()
    train(copied, progress=notes)
    assert "damaged" in notes.notes[0]
    assert "before it is used" in notes.notes[0]
    assert outcome(copied) == outcome(finished)


def test_when_no_checkpoint_is_whole_it_says_so(copied: Path) -> None:
    for path in (copied / "checkpoint").iterdir():
        (path / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"No checkpoint in '.*' is whole"):
        train(copied)


def test_checkpoints_of_another_configuration_are_refused(copied: Path) -> None:
    with pytest.raises(CheckpointError, match="another configuration"):
        train(copied, replace(OPTIONS, learning_rate=0.1))
    with pytest.raises(CheckpointError, match="another configuration"):
        train(copied, seed=1)
    with pytest.raises(CheckpointError, match="another configuration"):
        fit(
            Net(TASKS),
            DATA,
            OPTIONS,
            balancer=make_balancer(TASKS, "fixed", weights=[1.0] * 5),
            folder=copied,
        )
    with pytest.raises(CheckpointError, match="another configuration"):
        fit(Net(TASKS), make(131), OPTIONS, balancer=memory(), folder=copied)


def test_checkpoints_of_another_version_are_refused(copied: Path) -> None:
    for path in (copied / "checkpoint").iterdir():
        state = json.loads((path / "state.json").read_bytes())
        files.write_json(path / "state.json", {**state, "format": 99})
        files.seal(path, ["state.json", "state.safetensors", "log.jsonl"])
    with pytest.raises(CheckpointError, match=r"another version \(format 99"):
        train(copied)


def test_left_overs_of_killed_processes_go(copied: Path) -> None:
    left = copied / "checkpoint" / ".step-00000011.99.tmp"
    left.mkdir()
    (left / "state.json").write_text("half")
    (copied / ".log.jsonl.99.tmp").write_text("half")
    train(copied)
    assert not list(copied.rglob("*.tmp"))
