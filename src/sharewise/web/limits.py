"""Limits: who may ask, how much, how slowly, how many at once; before anything else looks at a request."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from sharewise.web.options import ServerOptions

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

#: Paths that anybody may ask for, and that are answered whatever the load.
OPEN = "/health"


class _Refused(Exception):
    def __init__(self, status: int, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.status, self.problem, self.remedy = status, problem, remedy


class Limits:
    """An ASGI application around another.

    Args:
        app: answers what is let through.
        options: the limits.
        busy: paths whose requests are counted, and turned away when too many wait.
    """

    def __init__(self, app: App, options: ServerOptions, busy: Iterable[str]) -> None:
        self._app, self._options, self._busy = app, options, frozenset(busy)
        self._inside = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        busy = scope["path"] in self._busy
        try:
            self._check_token(scope)
            self._check_load(busy)
            body = await self._body(scope, receive)  # slow senders take nobody's place
            self._check_load(busy)
        except _Refused as refusal:
            await _answer(send, refusal)
            return
        self._inside += busy
        try:
            await self._app(scope, _replay(body, receive), send)
        finally:
            self._inside -= busy

    def _check_token(self, scope: MutableMapping[str, Any]) -> None:
        token = self._options.token
        if token and scope["path"] != OPEN:
            given = _given(_header(scope, b"authorization"))
            if not hmac.compare_digest(given, token.encode()):
                raise _Refused(401, "The request brings no valid token.", "Send Authorization: Bearer ...")

    def _check_load(self, busy: bool) -> None:
        if busy and self._inside >= self._options.waiting:
            raise _Refused(503, "Too many requests are waiting.", "Try again in a second.")

    async def _body(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes:
        most = self._options.most_bytes
        large = _Refused(413, f"The body has more than {most:,} bytes.", "Send less at once.")
        length = _header(scope, b"content-length")
        if length.isdigit() and (len(length) > 15 or int(length) > most):
            raise large
        try:
            return await asyncio.wait_for(_collected(receive, most, large), self._options.body_seconds)
        except asyncio.TimeoutError:
            raise _Refused(408, "The body did not come in time.", "Send it faster.") from None


async def _collected(receive: Receive, most: int, large: _Refused) -> bytes:
    content, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":  # the sender has gone
            raise _Refused(400, "The body is not whole.", "Send it again.")
        content += message.get("body", b"")
        more = message.get("more_body", False)
        if len(content) > most:
            raise large
    return bytes(content)


def _given(header: bytes) -> bytes:
    """Return the token that a request brings: as ``Bearer``, or as the password of ``Basic``."""
    kind, _, value = header.partition(b" ")
    if kind == b"Bearer":
        return value
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2] if kind == b"Basic" else b""
    except binascii.Error:
        return b""


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _header(scope: MutableMapping[str, Any], name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


async def _answer(send: Send, refusal: _Refused) -> None:
    body = json.dumps({"error": refusal.problem, "remedy": refusal.remedy}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.status == 401:  # a browser asks its user, who gives the token as the password
        headers.append((b"www-authenticate", b'Basic realm="sharewise", charset="UTF-8"'))
    if refusal.status == 503:
        headers.append((b"retry-after", b"1"))
    else:  # what is left of the body is not read
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
