"""Every entry of the catalog of episodes is whole, apart in its splits, and refuses what it cannot do."""

from __future__ import annotations

import pytest
import torch

from sharewise.data.episodes import Augmented, EpisodeSet, catalog
from sharewise.errors import ConfigError, DataError
from sharewise.meta import Spec
from sharewise.streams import stream


def load_or_skip(name: str, **options: object) -> EpisodeSet:
    try:
        return catalog.load(name, **options)
    except DataError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", catalog.names())
def test_every_entry_is_whole(name: str) -> None:
    entry = load_or_skip(name)
    assert entry.name == name
    assert entry.description
    assert entry.source
    assert entry.licence
    for source in (entry.train, entry.valid, entry.test):
        assert source is not None
        source.check(entry.condition)
        drawn = source.sample(entry.condition, 3, stream(0, "try"))
        assert len(drawn) == 3
        assert Spec.of(source, entry.condition).inputs == Spec.of(entry.train, entry.condition).inputs
    assert entry.table is None or entry.table.train is entry.train


@pytest.mark.parametrize("name", catalog.names())
def test_every_entry_says_what_it_is(name: str) -> None:
    assert len(catalog.summarise(name)) > 20
    assert set(catalog.options(name)) >= ({"seed"} if name != "sinusoid" else {"noise"})


@pytest.mark.parametrize("name", [name for name in catalog.names() if name != "sinusoid"])
def test_no_task_is_in_two_splits(name: str) -> None:
    entry = load_or_skip(name)
    assert entry.valid is not None
    assert entry.test is not None
    parts = [set(source.names) for source in (entry.train, entry.valid, entry.test)]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


@pytest.mark.parametrize("split", ["background", "small1", "small2"])
def test_omniglot_splits_keep_alphabets_apart(split: str) -> None:
    entry = load_or_skip("omniglot", split=split, size=2)
    assert entry.valid is not None
    assert entry.test is not None
    parts = [
        {name.split("/")[0] for name in source.names} for source in (entry.train, entry.valid, entry.test)
    ]
    assert [len(part) for part in parts] == ([25, 5, 20] if split == "background" else [4, 1, 20])
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert not any("rot" in name for name in entry.test.names)


def test_omniglot_without_rotations() -> None:
    entry = load_or_skip("omniglot", split="background", size=2, rotations=False)
    assert entry.valid is not None
    assert entry.train.drawn_classes + entry.valid.drawn_classes == 964


def test_omniglot_distorts_what_is_trained_on_alone() -> None:
    plain, own = (
        load_or_skip("omniglot", split="background", size=8, rotations=False, distort=distort, symmetries=8)
        for distort in (False, True)
    )
    for entry in (plain, own):
        assert isinstance(entry.train, Augmented)
        assert not isinstance(entry.valid, Augmented)
        assert entry.train.distortion.symmetries == 8
    assert plain.train.digest() != own.train.digest()


def test_what_a_learner_has_to_know() -> None:
    waves = catalog.load("sinusoid")
    spec = Spec.of(waves.train, waves.condition)
    assert (spec.ways, spec.classes, spec.kind.name) == (0, 0, "regression")
    drawings = load_or_skip("omniglot", size=2)
    spec = Spec.of(drawings.train, drawings.condition)
    assert (spec.ways, spec.classes, spec.kind.name) == (5, 4112, "multiclass")


def test_flights_are_apart_in_time_and_place() -> None:
    entry = load_or_skip("flights-by-destination", fold=1)
    assert entry.test is not None
    assert len(entry.test.names) == 20
    other = load_or_skip("flights-by-destination", fold=0)
    assert other.test is not None
    assert not set(entry.test.names) & set(other.test.names)
    assert entry.table is not None
    assert "dest" not in entry.table.schema.columns
    assert "dest_lat" in entry.table.schema.columns
    with pytest.raises(ConfigError, match="60 destinations cannot be kept to choose by"):
        catalog.load("flights-by-destination", valid=60)


def test_films_are_inputs_if_asked_for() -> None:
    without, with_films = (load_or_skip("movielens-by-user", films=films) for films in (False, True))
    assert without.table is not None
    assert with_films.table is not None
    assert set(with_films.table.schema.columns) - set(without.table.schema.columns) == {"item_id"}
    assert "user_id" not in with_films.table.schema.columns
    assert torch.equal(without.table.train.targets, with_films.table.train.targets)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("sinusoids", {}, r"no collection of tasks 'sinusoids'.*'sinusoid'"),
        ("omniglot", {"sizes": 28}, r"no option 'sizes'.*'size'"),
        ("omniglot", {"size": "28"}, "Use a whole number"),
        ("omniglot", {"rotations": 1}, "Use true or false"),
        ("omniglot", {"seed": True}, "Use a whole number"),
        ("omniglot", {"split": "vinyal"}, "no split 'vinyal'"),
        ("omniglot", {"size": 200}, "200 pixels"),
        ("omniglot", {"size": 2, "symmetries": 3}, "Use 1, 4 or 8"),
        ("sinusoid", {"noise": -1.0}, "noise of the sinusoids"),
        ("flights-by-destination", {"label": "late"}, "no task 'late'"),
        ("movielens-by-user", {"label": "love"}, "no task 'love'"),
    ],
)
def test_what_cannot_be_done_is_said(name: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        catalog.load(name, **options)
