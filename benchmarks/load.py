"""An open-loop load over HTTP/1.1: requests are sent when they are due, whether others were answered or not.

Sent by hand over kept connections, since a client's library takes as long for a request as the service does.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any


class Sender:
    """Connections to one address.

    Args:
        host, port: of the service.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def post(self, path: str, body: Any, seconds: float = 30.0) -> tuple[int, bytes]:
        """Return the status and the body of an answer.

        Raises:
            OSError, asyncio.TimeoutError, ValueError: if there was none.
        """
        return await asyncio.wait_for(self._post(path, json.dumps(body).encode()), seconds)

    async def _post(self, path: str, content: bytes) -> tuple[int, bytes]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():  # the service closes what was idle for long
                break
            writer.close()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            answer = await reader.readexactly(int(headers["content-length"]))
        except (asyncio.IncompleteReadError, KeyError) as error:
            writer.close()
            raise ValueError("no whole answer") from error
        if headers.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(lines[0].split()[1]), answer

    def close(self) -> None:
        """End all connections."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()


async def at_rate(rate: float, seconds: float, one: Any, goes_on: Callable[[], bool] = lambda: True) -> float:
    """Start `one(due)` at a rate, on time, while it goes on; return how long it took until all had ended."""
    began, tasks = time.perf_counter() + 0.1, []
    for number in range(round(rate * seconds)):
        if not goes_on():
            break
        due = began + number / rate
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    return time.perf_counter() - began
