"""Under torchrun a mistake is told by the first process; by another, if that has not met it."""

from __future__ import annotations

import pytest
import typer

from sharewise.cli import edge
from sharewise.errors import ConfigError


def left(code: int, capsys: pytest.CaptureFixture[str]) -> str:
    app = typer.Typer()

    @app.command()
    def command() -> None:
        if code == edge.INTERRUPTED:
            raise KeyboardInterrupt
        raise ConfigError("There is no 'x'.", "Name another.")

    with pytest.raises(SystemExit) as found:
        edge.guarded(app, [])
    assert found.value.code == code
    return capsys.readouterr().err


def test_others_wait_for_the_first_and_then_tell_themselves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(edge.time, "sleep", waited.append)
    assert left(edge.USER_ERROR, capsys).startswith("sharewise: There is no 'x'.")
    assert not waited
    monkeypatch.setenv("RANK", "1")
    assert left(edge.USER_ERROR, capsys).startswith("sharewise: Process 1: There is no 'x'.")
    assert waited == [edge.GRACE]
    assert left(edge.INTERRUPTED, capsys) == ""
