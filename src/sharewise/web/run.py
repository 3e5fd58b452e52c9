"""Running the service until it is told to stop."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator

from sharewise.errors import ConfigError
from sharewise.web.limits import App
from sharewise.web.options import ServerOptions

#: Seconds in which requests that are being answered may end.
GRACE = 10
#: Connections for every request that may wait.
CONNECTIONS = 8
#: Seconds after which a thread that loads a model lets requests go on; Python's 5 ms are a request's time.
TURN = 0.0005


def check_server() -> None:
    """Refuse to serve without the packages for it.

    Raises:
        ConfigError: if one is not installed.
    """
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"Serving needs the package '{error.name}'.", "pip install 'sharewise[serve]'"
        ) from error


def run_app(app: App, options: ServerOptions, started: Callable[[], None]) -> None:
    """Answer over HTTP until the process is told to stop; requests that are being answered end first.

    Args:
        app: answers.
        options: limits, and where to listen.
        started: called before the first request.

    Raises:
        ConfigError: if nothing can listen there.
    """
    check_server()
    import uvicorn

    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
        limit_concurrency=CONNECTIONS * options.waiting,
        lifespan="on",
    )
    try:
        socket = config.bind_socket()
    except (SystemExit, OSError) as error:
        raise ConfigError(
            f"Nothing can listen on {options.host}:{options.port}.", "Choose another port or host."
        ) from error
    started()
    try:
        with _ending_well(), _short_turns():
            uvicorn.Server(config).run(sockets=[socket])
    finally:
        socket.close()


@contextlib.contextmanager
def _short_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextlib.contextmanager
def _ending_well() -> Iterator[None]:
    """Let the request to end, once the server has followed it, end nothing more: it raises it again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
