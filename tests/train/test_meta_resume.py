"""A meta-training that was stopped anywhere goes on as if it had not been."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from meta_stubs import OPTIONS, WAVE_CONDITION, WAVES, Case, outcome, pictures
from torch import Tensor, nn

from sharewise.data.episodes import Condition
from sharewise.errors import CheckpointError
from sharewise.meta import OwnNet, Spec
from sharewise.meta.gradient import MAML
from sharewise.meta.nets import NetOptions
from sharewise.train import Run
from sharewise.train.meta import fit_learner
from stopping import StopAt, Stopped

PICTURES, PICTURE_CONDITION = pictures(), Condition(shots=1, queries=3, ways=3)
CASES = {
    "maml": Case("maml", {"steps": 2}, WAVES, WAVE_CONDITION),
    "maml_plus": Case("maml_plus", {"steps": 2, "anneal": 0.9}, WAVES, WAVE_CONDITION),
    "shots that vary": Case("cnp", {"width": 8}, WAVES, Condition(shots=(0, 5), queries=4)),
    "running statistics": Case(
        "protonet", {}, PICTURES, PICTURE_CONDITION, NetOptions(channels=(4,), norm="running")
    ),
    "workers": Case(
        "maml",
        {"steps": 1, "rate": 0.1},
        PICTURES,
        PICTURE_CONDITION,
        NetOptions(channels=(4,), norm="support"),
        replace(OPTIONS, strategy="workers"),
    ),
    "workers with running statistics": Case(
        "protonet",
        {},
        PICTURES,
        PICTURE_CONDITION,
        NetOptions(channels=(4,), norm="running"),
        replace(OPTIONS, strategy="workers"),
    ),
    "plain descent with decay": Case(
        "reptile",
        {"steps": 3},
        WAVES,
        WAVE_CONDITION,
        training=replace(OPTIONS, optimizer="sgd", weight_decay=0.1, schedule="linear"),
    ),
    "decayed": Case("meta_sgd", {}, WAVES, WAVE_CONDITION, training=replace(OPTIONS, weight_decay=0.1)),
}
PATIENT = replace(OPTIONS, iterations=60, patience=2, learning_rate=0.2)


@pytest.mark.parametrize("name", CASES)
def test_stopped_anywhere_it_ends_with_the_same_bits(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    undisturbed, result = case.train(tmp_path / "undisturbed")
    folder = tmp_path / "stopped"
    for step in (1, 4, 2, 5):  # before the first checkpoint, and in the middle between two
        with pytest.raises(Stopped):
            case.train(folder, StopAt(step))
    learner, again = case.train(folder)
    assert outcome(folder) == outcome(tmp_path / "undisturbed")
    assert again.history == result.history
    assert (again.best_step, again.best_score) == (result.best_step, result.best_score)
    expected = undisturbed.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in learner.state_dict().items())


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_compiled_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    case = replace(CASES["maml"], training=replace(OPTIONS, strategy="compiled"))
    told = StopAt(), StopAt(7), StopAt()
    case.train(tmp_path / "undisturbed", told[0])
    with pytest.raises(Stopped):
        case.train(tmp_path / "stopped", told[1])
    case.train(tmp_path / "stopped", told[2])
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "undisturbed")
    for one in told:  # a compiler that fails is told of, and all goes on without it
        assert any("Compiling the meta-gradient" in note for note in one.notes)
        assert not any("did not work" in note for note in one.notes)


def test_patience_goes_on(tmp_path: Path) -> None:
    case = replace(CASES["maml"], training=PATIENT)
    _, result = case.train(tmp_path / "undisturbed")
    assert result.steps < PATIENT.iterations
    assert result.best_step == result.steps - 2 * PATIENT.eval_every
    with pytest.raises(Stopped):
        case.train(tmp_path / "stopped", StopAt(result.steps - 2))
    case.train(tmp_path / "stopped")
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "undisturbed")


class Noisy(nn.Module):
    """A network of one's own that draws on chance."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(1, 8), nn.Linear(8, 1)
        with torch.no_grad():
            for i, p in enumerate(self.parameters()):
                p.copy_(torch.linspace(-1, 1, p.numel()).reshape(p.shape) * (i + 1))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(nn.functional.dropout(self.first(x).relu(), 0.5, self.training))
        return found


def test_drop_out_of_a_network_of_one_s_own_goes_on(tmp_path: Path) -> None:
    spec = Spec.of(WAVES, WAVE_CONDITION)

    def run(name: str, progress: StopAt | None = None) -> None:
        learner = MAML(spec, net=OwnNet(Noisy(), 1, vectorise=False), second_order=False)
        fit_learner(learner, WAVES, WAVE_CONDITION, OPTIONS, folder=tmp_path / name, progress=progress)

    run("a")
    with pytest.raises(Stopped):
        run("b", StopAt(7))
    torch.rand(5)
    run("b")
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b")


def test_the_run_s_chance_is_its_own(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    CASES["maml"].train(tmp_path)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_finished_run_returns_at_once_and_writes_nothing(tmp_path: Path) -> None:
    trained, _ = CASES["maml"].train(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    learner, result = CASES["maml"].train(tmp_path, StopAt(0))
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    expected = Run.open(tmp_path).weights()
    assert all(torch.equal(value, expected[name]) for name, value in learner.state_dict().items())
    assert all(torch.equal(value, expected[name]) for name, value in trained.state_dict().items())
    assert result.steps == OPTIONS.iterations


def test_checkpoints_change_nothing(tmp_path: Path) -> None:
    kept, _ = CASES["maml_plus"].train(tmp_path)
    free, _ = CASES["maml_plus"].train(None)
    expected = kept.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in free.state_dict().items())


def test_a_damaged_checkpoint_is_skipped_and_the_user_told(tmp_path: Path) -> None:
    CASES["maml"].train(tmp_path / "a")
    with pytest.raises(Stopped):
        CASES["maml"].train(tmp_path / "b", StopAt(8))
    newest = sorted((tmp_path / "b" / "checkpoint").iterdir())[-1] / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:-7])
    told = StopAt()
    CASES["maml"].train(tmp_path / "b", told)
    assert any("damaged" in note for note in told.notes)
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("maml", {"second_order": False}),
        ("maml", {"rate": 0.02}),
        ("maml", {"steps": 3}),
        ("maml_plus", {"anneal": 0.5}),
        ("reptile", {"inner_batch": 3}),
        ("imaml", {"regularisation": 3.0}),
        ("alpaca", {"noise": 0.2}),
        ("anp", {"heads": 2}),
        ("cnp", {"floor": 0.2}),
        ("cavia", {"context": 3}),
    ],
)
def test_a_folder_of_another_learner_is_refused(
    name: str, changes: dict[str, object], tmp_path: Path
) -> None:
    """Options that leave the initial weights as they are count too."""
    case = Case(name, {}, WAVES, WAVE_CONDITION)
    with pytest.raises(Stopped):
        case.train(tmp_path, StopAt(4))
    with pytest.raises(CheckpointError, match="another configuration"):
        replace(case, options=changes).train(tmp_path)


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    case = CASES["maml"]
    with pytest.raises(Stopped):
        case.train(tmp_path, StopAt(4))
    others = [
        replace(case, learner="anil"),
        replace(case, net=NetOptions(hidden=(9,))),
        replace(case, condition=Condition(shots=4, queries=4)),
        replace(case, condition=Condition(shots=3, queries=5)),
        replace(case, source=type(WAVES)(0.1)),
        *(
            replace(case, training=replace(OPTIONS, **{name: value}))
            for name, value in {"learning_rate": 0.1, "seed": 1, "tasks_per_batch": 5, "clip": None}.items()
        ),
    ]
    for other in others:
        with pytest.raises(CheckpointError, match="another configuration"):
            other.train(tmp_path)
    with pytest.raises(CheckpointError, match="another configuration"):
        fit_learner(case.make(seed=1), WAVES, WAVE_CONDITION, OPTIONS, valid=WAVES, folder=tmp_path)
    with pytest.raises(CheckpointError, match="another configuration"):
        fit_learner(case.make(), WAVES, WAVE_CONDITION, OPTIONS, folder=tmp_path)
    with pytest.raises(CheckpointError, match="another configuration"):
        fit_learner(
            case.make(),
            WAVES,
            WAVE_CONDITION,
            OPTIONS,
            valid=WAVES,
            valid_condition=Condition(shots=9),
            folder=tmp_path,
        )
    # A validation condition that is the training's, said or not, is the same run.
    fit_learner(
        case.make(),
        WAVES,
        WAVE_CONDITION,
        OPTIONS,
        valid=WAVES,
        valid_condition=WAVE_CONDITION,
        folder=tmp_path,
    )
