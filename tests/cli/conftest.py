"""The command line in this process, in a folder of its own, with a table and a finished run."""

from __future__ import annotations

import shutil
from pathlib import Path

import meta_support
import polars as pl
import pytest
from cli_support import CONFIG, Command, Done, table

from sharewise.cli.main import main


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run a command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*argv: str) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(list(argv))
        printed = capsys.readouterr()
        return Done(int(left.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a table and a configuration."""
    table().write_csv(tmp_path / "rows.csv")
    (tmp_path / "run.toml").write_text(CONFIG)
    return tmp_path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, to be copied."""
    home = tmp_path_factory.mktemp("trained")
    table().write_csv(home / "rows.csv")
    (home / "run.toml").write_text(CONFIG)
    with pytest.raises(SystemExit) as left:
        main(["train", str(home / "run.toml"), "--out", str(home / "run")])
    assert not left.value.code
    return home / "run"


@pytest.fixture
def run(trained: Path, folder: Path) -> Path:
    """A finished run of one's own, to damage."""
    return Path(shutil.copytree(trained, folder / "run"))


@pytest.fixture(scope="session")
def comparison(trained: Path) -> Path:
    """A finished comparison, to be copied."""
    text = CONFIG.replace("seeds = 2", "seeds = 1")
    (trained.parent / "compare.toml").write_text(text)
    out = trained.parent / "comparison"
    with pytest.raises(SystemExit) as left:
        main(["compare", str(trained.parent / "compare.toml"), "--out", str(out)])
    assert not left.value.code
    return out


@pytest.fixture(scope="session")
def meta_trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tasks of several sorts, configurations, and a finished run of each; to be copied."""
    home = tmp_path_factory.mktemp("meta")
    meta_support.rows().write_csv(home / "rows.csv")
    meta_support.draw(home / "images", classes=12, each=4)
    meta_support.draw(home / "support", classes=2, each=1, seed=1)
    (home / "query").mkdir()
    for number in range(2):
        shutil.copy(home / f"support/class{number}/0.png", home / f"query/{number}.png")
    own = meta_support.rows().filter(pl.col("user").is_in(["u03", "u07"]))
    own.filter(pl.col("time") < 4 + 2 * (pl.col("user") == "u07")).write_csv(home / "support.csv")
    own.filter(pl.col("time") >= 6).drop("y", "level").write_csv(home / "query.csv")
    for name in ("table", "levels", "high", "sinusoid", "images"):
        (home / f"{name}.toml").write_text(getattr(meta_support, name.upper()))
        with pytest.raises(SystemExit) as left:
            main(["meta", "train", str(home / f"{name}.toml"), "--out", str(home / f"run_{name}")])
        assert not left.value.code
    return home


@pytest.fixture
def meta(meta_trained: Path, tmp_path: Path) -> Path:
    """Such a folder of one's own, to change."""
    return Path(shutil.copytree(meta_trained, tmp_path, dirs_exist_ok=True))
