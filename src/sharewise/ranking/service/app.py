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
from fastapi.responses import HTMLResponse, JSONResponse, Response

from sharewise.errors import DataError, SharewiseError
from sharewise.ranking.service.bodies import FeaturesBody, FeedbackBody, ModelsBody, RecommendBody
from sharewise.ranking.service.metrics import State
from sharewise.ranking.service.options import ServiceOptions
from sharewise.ranking.service.page import page_state
from sharewise.ranking.service.service import Service
from sharewise.web.errors import say_errors
from sharewise.web.limits import Limits
from sharewise.web.metrics import Metrics

#: Seconds between two looks for hours that are over.
POLL = 5.0
#: Threads that wait for the disk, and share its flushes.
WRITERS = 16
#: Paths whose requests wait for each other, and are turned away when too many do.
BUSY = ("/recommend", "/feedback", "/")
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
    turns = _Turns(options)
    app = FastAPI(
        title="Sharewise ranking", version="1", lifespan=_collecting(service), redoc_url=None, docs_url=None
    )

    @app.post("/recommend")
    async def recommend(body: RecommendBody) -> JSONResponse:
        """Return a ranked list."""
        if body.count > options.most_items:
            raise DataError(f"count is {body.count}.", f"Ask for at most {options.most_items}.")
        call = partial(service.recommend, body.user, body.query, body.context, body.count)
        return JSONResponse(await turns.answer(call))

    @app.post("/feedback")
    async def feedback(body: FeedbackBody) -> JSONResponse:
        """Add what came of a list; it is on the disk when this is answered."""
        events = [event.model_dump(exclude_none=True) for event in body.events]
        return JSONResponse(await turns.write(partial(service.feedback, body.request, events)))

    @app.post("/features")
    async def features(body: FeaturesBody) -> JSONResponse:
        """Let items or users have these features from now on."""
        return JSONResponse(await turns.write(partial(service.put_features, body.key, body.rows)))

    @app.get("/health")
    async def health() -> JSONResponse:
        """Return what answers, and what it asks of requests."""
        return JSONResponse(service.health())

    _add_changes(app, service, turns)

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
                await turns.answer(lambda: page(page_state(service, asked, options.most_items)))
            )

    say_errors(app)
    measured = Metrics(Limits(app, options, BUSY), PATHS, "sharewise", State(service))
    return measured


class _Turns:
    """Who works where, so that none waits for what is not theirs.

    Args:
        options: with the number of threads that answer.
    """

    def __init__(self, options: ServiceOptions) -> None:
        self._workers = anyio.CapacityLimiter(options.workers)
        self._writers = anyio.CapacityLimiter(WRITERS)
        self._changes = anyio.CapacityLimiter(1)  # loading a model takes none of those that answer
        self._alone = asyncio.Semaphore(1) if options.workers == 1 else None

    async def answer(self, call: Callable[[], Found]) -> Found:
        """Answer a request: here if one worker is to, since no second thread makes Python faster."""
        if self._alone is None:
            return await anyio.to_thread.run_sync(call, limiter=self._workers)
        async with self._alone:
            await asyncio.sleep(0)  # those that came meanwhile are counted, and turned away if too many
            return call()

    async def write(self, call: Callable[[], Found]) -> Found:
        """Wait for the disk."""
        return await anyio.to_thread.run_sync(call, limiter=self._writers)

    async def change(self, call: Callable[[], Found]) -> Found:
        """Change what answers, one at a time."""
        return await anyio.to_thread.run_sync(call, limiter=self._changes)


def _add_changes(app: FastAPI, service: Service, turns: _Turns) -> None:
    """Add the paths that change what answers, and say what experiments have shown."""

    @app.post("/models")
    async def models(body: ModelsBody) -> JSONResponse:
        """Load another model, check it, and let it answer."""
        return JSONResponse(await turns.change(partial(service.swap, body.ranker, body.candidates)))

    @app.post("/models/back")
    async def back() -> JSONResponse:
        """Let the model before the current one answer again."""
        return JSONResponse(await turns.change(service.back))

    @app.get("/experiments")
    async def experiments() -> JSONResponse:
        """Return what the log says of the experiments that run."""
        return JSONResponse(await turns.change(service.watching.evidence))

    @app.post("/experiments")
    async def restart() -> JSONResponse:
        """Read the experiments anew: those that are there now run from now on."""
        return JSONResponse(await turns.change(service.restart_experiments))


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
