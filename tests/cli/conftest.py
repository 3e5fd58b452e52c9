"""The command line in this process, in a folder of its own, with a table and a finished run."""

from __future__ import annotations

import shutil
from pathlib import Path

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
