"""The service over HTTP (extra ``serve``): what is asked and answered, one kind of error."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from sharewise.errors import CheckpointError, ConfigError, DataError, SharewiseError
from sharewise.ranking.service.bodies import FeaturesBody, FeedbackBody, ModelsBody, RecommendBody
from sharewise.ranking.service.limits import Limits
from sharewise.ranking.service.metrics import Metrics
from sharewise.ranking.service.options import ServiceOptions
from sharewise.ranking.service.page import page_state
from sharewise.ranking.service.service import Service

#: Seconds between two looks for hours that are over.
POLL = 5.0
#: Threads that wait for the disk, and share its flushes.
WRITERS = 16
#: What errors of a sort are answered with: a bad request or model; anything else is our disk's fault.
STATUS: tuple[tuple[type[SharewiseError], int], ...] = (
    (DataError, 422),
    (ConfigError, 409),
    (CheckpointError, 409),
)
#: Paths whose answers are counted apart.
PATHS = (
    "/",
    "/recommend",
    "/feedback",
    "/features",
    "/models",
    "/models/back",
    "/experiments",
    "/health",
    "/metrics",
)
Found = TypeVar("Found")
Page = Callable[[dict[str, Any]], str]
log = logging.getLogger("sharewise.service")


def make_app(service: Service, options: ServiceOptions, page: Page | None = None) -> Metrics:
    """Return the ASGI application.

    Args:
        service: answers.
        options: limits.
        page: what `page_state` gives -> HTML; None for no page.
    """
    workers = anyio.CapacityLimiter(options.workers)
    writers = anyio.CapacityLimiter(WRITERS)
    changes = anyio.CapacityLimiter(1)  # loading a model takes none of those that answer

    async def work(limiter: anyio.CapacityLimiter, call: Callable[[], Found]) -> Found:
        return await anyio.to_thread.run_sync(call, limiter=limiter)

    app = FastAPI(
        title="Sharewise ranking", version="1", lifespan=_collecting(service), redoc_url=None, docs_url=None
    )

    @app.post("/recommend")
    async def recommend(body: RecommendBody) -> JSONResponse:
        """Return a ranked list."""
        if body.count > options.most_items:
            raise DataError(f"count is {body.count}.", f"Ask for at most {options.most_items}.")
        call = partial(service.recommend, body.user, body.query, body.context, body.count)
        return JSONResponse(await work(workers, call))

    @app.post("/feedback")
    async def feedback(body: FeedbackBody) -> JSONResponse:
        """Add what came of a list; it is on the disk when this is answered."""
        events = [event.model_dump(exclude_none=True) for event in body.events]
        return JSONResponse(await work(writers, partial(service.feedback, body.request, events)))

    @app.post("/features")
    async def features(body: FeaturesBody) -> JSONResponse:
        """Let items or users have these features from now on."""
        return JSONResponse(await work(writers, partial(service.put_features, body.key, body.rows)))

    @app.post("/models")
    async def models(body: ModelsBody) -> JSONResponse:
        """Load another model, check it, and let it answer."""
        return JSONResponse(await work(changes, partial(service.swap, body.ranker, body.candidates)))

    @app.post("/models/back")
    async def back() -> JSONResponse:
        """Let the model before the current one answer again."""
        return JSONResponse(await work(changes, service.back))

    @app.get("/health")
    async def health() -> JSONResponse:
        """Return what answers, and what it asks of requests."""
        return JSONResponse(service.health())

    @app.get("/experiments")
    async def experiments() -> JSONResponse:
        """Return what the log says of the experiments that run."""
        return JSONResponse(await work(changes, service.watching.evidence))

    @app.post("/experiments")
    async def restart() -> JSONResponse:
        """Read the experiments anew: those that are there now run from now on."""
        return JSONResponse(await work(changes, service.restart_experiments))

    @app.get("/metrics")
    async def metrics() -> Response:
        """Return counts and times as Prometheus reads them."""
        return Response(measured.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    if page is not None:

        @app.get("/", response_class=HTMLResponse)
        async def home(request: Request) -> HTMLResponse:
            """Show lists and why, experiments, and what answers."""
            asked = dict(request.query_params)
            return HTMLResponse(
                await work(workers, lambda: page(page_state(service, asked, options.most_items)))
            )

    app.add_exception_handler(SharewiseError, _refuse)
    app.add_exception_handler(HTTPException, _refuse_request)
    app.add_exception_handler(RequestValidationError, _refuse_body)
    measured = Metrics(Limits(app, options), PATHS, service)
    return measured


def _collecting(service: Service) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        collector = asyncio.create_task(_collect(service))
        try:
            yield
        finally:
            collector.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await collector

    return lifespan


async def _collect(service: Service) -> None:
    while True:
        try:
            await anyio.to_thread.run_sync(service.watch)
        except SharewiseError as error:  # tried again at the next look
            log.warning("%s", error)
        await asyncio.sleep(POLL)


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
