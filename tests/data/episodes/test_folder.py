from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
import torch

from sharewise.data.episodes import LabelledExamples, read_folder
from sharewise.data.episodes.folder import read_images
from sharewise.errors import ConfigError, DataError
from sharewise.streams import stream

Image = pytest.importorskip("PIL.Image", reason="needs Pillow")


def draw(path: Path, colour: tuple[int, int, int] = (255, 0, 0), size: tuple[int, int] = (6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def alphabets(tmp_path: Path) -> Path:
    """Five groups of three classes of four images; the class is the shade."""
    for group in range(5):
        for number in range(3):
            for i in range(4):
                shade = 10 * (3 * group + number)
                draw(tmp_path / f"letters {group}" / f"letter{number}" / f"{i}.png", (shade, shade, shade))
    return tmp_path


def test_groups_are_apart_and_images_are_those_of_their_class(alphabets: Path) -> None:
    found = read_folder(alphabets, 8)
    assert found.condition.ways == 3
    assert (found.condition.shots, found.condition.queries) == (1, 3)
    parts = [part for part in (found.train, found.valid, found.test) if part is not None]
    groups = [{name.split("/")[0] for name in part.names} for part in parts]
    assert [len(part) for part in groups] == [3, 1, 1]
    assert len(set.union(*groups)) == 5
    for part in parts:
        assert isinstance(part, LabelledExamples)
        drawn = part.sample(found.condition, 4, stream(0, "x"))
        assert drawn.query.inputs["image"].shape == (4, 9, 1, 8, 8)
        assert drawn.classes is not None
        for task, classes in enumerate(drawn.classes.tolist()):
            for row, label in enumerate(drawn.query.targets[task].long().tolist()):
                group, number = part.names[classes[label]].split("/")
                shade = 10 * (3 * int(group[-1]) + int(number[-1])) / 255
                assert drawn.query.inputs["image"][task, row].mean() == pytest.approx(shade, abs=1e-6)


def test_tasks_within_a_group(alphabets: Path) -> None:
    found = read_folder(alphabets, 2, within=1.0)
    assert found.valid is not None
    drawn = found.train.sample(found.condition, 20, stream(0, "x"))
    assert drawn.classes is not None
    for classes in drawn.classes.tolist():
        assert len({found.train.names[c].split("/")[0] for c in classes}) == 1


def test_the_split_is_the_seed_s(alphabets: Path) -> None:
    names = [read_folder(alphabets, 1, seed=seed).train.names for seed in (0, 0, 1, 2, 3)]
    assert names[0] == names[1]
    assert len(set(names)) > 1


def test_classes_without_groups(tmp_path: Path) -> None:
    for number in range(10):
        draw(tmp_path / str(number) / "a.jpg")
        draw(tmp_path / str(number) / "b.JPEG")
        (tmp_path / str(number) / "notes.txt").write_text("not an image")
    found = read_folder(tmp_path, 3, colour=True)
    assert [len(s.names) for s in (found.train, found.valid, found.test) if s is not None] == [6, 2, 2]
    assert found.train.inputs.image == (3, 3, 3)
    assert found.condition.ways == 2
    drawn = found.train.sample(found.condition, 1, stream(0, "x"))
    mean = drawn.support.inputs["image"].mean((0, 1, 3, 4))
    assert torch.allclose(mean, torch.tensor([1.0, 0.0, 0.0]), atol=0.02)
    everything = read_folder(tmp_path, 3, valid=0, test=0)
    assert everything.valid is None
    assert everything.test is None
    assert len(everything.train.names) == 10


def test_shrinking_takes_means_of_areas(tmp_path: Path) -> None:
    half = Image.new("L", (4, 4), 0)
    half.paste(200, (0, 0, 2, 4))
    half.save(tmp_path / "half.png")
    assert read_images([tmp_path / "half.png"], 1).item() == 100
    assert read_images([tmp_path / "half.png"], 2).flatten().tolist() == [200, 0, 200, 0]


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds 0 classes"):
        read_folder(tmp_path)
    draw(tmp_path / "a" / "1.png")
    draw(tmp_path / "b" / "1.png")
    with pytest.raises(DataError, match="The train split has 0 of 2 classes"):
        read_folder(tmp_path)
    draw(tmp_path / "c" / "1.png")
    with pytest.raises(DataError, match=r"split has 1 of 3 classes"):
        read_folder(tmp_path, valid=0)
    with pytest.raises(DataError, match="leaves nothing to train on"):
        read_folder(tmp_path, valid=0.5, test=0.5)
    with pytest.raises(ConfigError, match="share of tasks within a group"):
        read_folder(tmp_path, valid=0, test=0, within=2)
    with pytest.raises(DataError, match="0 pixels a side"):
        read_folder(tmp_path, 0, valid=0, test=0)
    (tmp_path / "a" / "2.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"2\.png' cannot be read"):
        read_folder(tmp_path, valid=0, test=0)
    Image.new("RGB", (6, 4)).save(tmp_path / "a" / "2.png", format="BMP")  # the name chooses no decoder
    with pytest.raises(DataError, match=r"2\.png' cannot be read"):
        read_folder(tmp_path, valid=0, test=0)
    draw(tmp_path / "d" / "e" / "1.png")
    with pytest.raises(DataError, match="one folder deep and some two"):
        read_folder(tmp_path, valid=0, test=0)
    draw(tmp_path / "d" / "e" / "f" / "1.png")
    with pytest.raises(DataError, match="lies too deep"):
        read_folder(tmp_path, valid=0, test=0)


def test_without_pillow_it_says_how_to_get_it(alphabets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "PIL":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"pip install 'sharewise\[images\]'"):
        read_folder(alphabets)
