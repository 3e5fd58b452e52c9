"""Errors of every service: a status, what is wrong, and what to do."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sharewise.errors import CheckpointError, ConfigError, DataError, SharewiseError

#: What errors of a sort are answered with: a bad request or model; anything else is our disk's fault.
STATUS: tuple[tuple[type[SharewiseError], int], ...] = (
    (DataError, 422),
    (ConfigError, 409),
    (CheckpointError, 409),
)


def say_errors(app: FastAPI) -> None:
    """Let an application answer all errors alike, as ``{"error": ..., "remedy": ...}``."""
    app.add_exception_handler(SharewiseError, _refuse)
    app.add_exception_handler(HTTPException, _refuse_request)
    app.add_exception_handler(RequestValidationError, _refuse_body)


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    status = next((code for kind, code in STATUS if isinstance(error, kind)), 503)
    if not isinstance(error, SharewiseError):
        raise error
    return _said(status, error.problem, error.remedy)


async def _refuse_request(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return _said(error.status_code, f"{error.detail}.", "See /openapi.json for what can be asked.")


async def _refuse_body(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    where = ".".join(str(place) for place in first["loc"][1:4])
    return _said(422, f"The body cannot be used{': ' + where if where else ''}.", str(first["msg"]))


def _said(status: int, problem: str, remedy: str) -> JSONResponse:
    clean = [text.encode(errors="replace").decode() for text in (problem, remedy)]
    return JSONResponse({"error": clean[0], "remedy": clean[1]}, status_code=status)
