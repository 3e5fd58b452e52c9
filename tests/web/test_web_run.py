"""Running a service: threads that load models take short turns, and only while it runs."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest

pytest.importorskip("uvicorn")

from sharewise.errors import ConfigError
from sharewise.web import ServerOptions, run, run_app


async def nothing(*_: Any) -> None:
    """Answer nothing."""


def test_turns_are_short_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import uvicorn

    seen: list[float] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: seen.append(sys.getswitchinterval()))
    before = sys.getswitchinterval()
    run_app(nothing, ServerOptions(port=0), lambda: None)
    assert seen == [pytest.approx(run.TURN)]
    assert sys.getswitchinterval() == before


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"Nothing can listen on 127.0.0.1:{port}"):
            run_app(nothing, ServerOptions(port=port), lambda: None)
