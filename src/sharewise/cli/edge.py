"""The edge: errors become one paragraph and an exit code; only our own mistakes show a traceback."""

from __future__ import annotations

import os
import shlex
import sys
import time
from typing import NoReturn

import typer

from sharewise.errors import SharewiseError

USER_ERROR = 2
INTERRUPTED = 130
#: Seconds that further processes give the first one to tell of a mistake.
GRACE = 10.0

#: The base of all that the parser raises; Typer ships Click or depends on it, so ask for neither by name.
_ParserError: type[Exception] = next(
    cls
    for cls in typer.BadParameter.__mro__
    if cls.__name__ == "ClickException" and issubclass(cls, Exception)
)


def guarded(app: typer.Typer, argv: list[str] | None) -> NoReturn:
    """Run the app, and leave with an exit code."""
    try:
        code = app(args=argv, standalone_mode=False)
    except SharewiseError as error:
        _leave(USER_ERROR, str(error).strip())
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except _ParserError as error:
        _leave(USER_ERROR, f"{_sentence(error)} See sharewise --help.")
    if code == INTERRUPTED:
        again = shlex.join(["sharewise", *(sys.argv[1:] if argv is None else argv)])
        _leave(INTERRUPTED, f"Interrupted. The same command goes on from what is finished: {again}")
    sys.exit(code if isinstance(code, int) else 0)


def _sentence(error: BaseException) -> str:
    message: str = getattr(error, "format_message", lambda: str(error))()
    return message if message.endswith((".", "?")) else f"{message}."


def _leave(code: int, paragraph: str) -> NoReturn:
    rank = os.environ.get("RANK", "0")
    if rank != "0" and code == USER_ERROR:
        # Under torchrun all meet the same mistake, as a rule: the first tells it, and the others are ended.
        time.sleep(GRACE)
        paragraph = f"Process {rank}: {paragraph}"
    elif rank != "0":
        sys.exit(code)
    print(f"sharewise: {_printable(paragraph)}", file=sys.stderr)
    sys.exit(code)


def _printable(text: str) -> str:
    # Names out of a file that is no table may hold anything, even what moves the cursor.
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
