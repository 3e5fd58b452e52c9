"""A trained model of tables over HTTP (extra ``serve``): rows in, predictions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Protocol

import anyio
import anyio.to_thread
import polars as pl
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from sharewise import files
from sharewise.data import Schema
from sharewise.errors import DataError
from sharewise.export.folder import DESCRIPTION
from sharewise.serve.artifact import load
from sharewise.serve.export import load_export
from sharewise.tasks import TaskSet
from sharewise.web.errors import say_errors
from sharewise.web.limits import Limits
from sharewise.web.metrics import Metrics
from sharewise.web.options import ServerOptions

#: Rows of one request.
ROWS = 10_000
#: The largest whole number that a column holds.
LARGEST = 2**63 - 1
PATHS = ("/predict", "/health", "/metrics")

Text = Annotated[str, Field(strict=True, max_length=4096)]
Whole = Annotated[StrictInt, Field(ge=-LARGEST, le=LARGEST)]
Number = Annotated[StrictFloat, Field(allow_inf_nan=False)]
Value = StrictBool | Whole | Number | Text | None


class PredictBody(BaseModel):
    """Rows of a table: values by column; what is left out is missing."""

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[dict[Text, Value]], Field(min_length=1, max_length=ROWS)]


class Predicts(Protocol):
    """A run, or an export of one."""

    @property
    def schema(self) -> Schema: ...
    @property
    def tasks(self) -> TaskSet: ...
    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a row of predictions a row."""
        ...


def load_either(folder: Path) -> Predicts:
    """Load a run's folder, or an export's.

    Raises:
        CheckpointError: if it holds neither, or one that is damaged.
        ConfigError: if an export is to be run without ONNX Runtime.
    """
    return load_export(folder) if (folder / DESCRIPTION).is_file() else load(folder)


def make_prediction_app(model: Predicts, folder: Path, options: ServerOptions) -> Metrics:
    """Return the ASGI application.

    Args:
        model: predicts.
        folder: that it was loaded from.
        options: limits.
    """
    workers = anyio.CapacityLimiter(options.workers)
    digest = files.verify(folder).digest[:12]
    app = FastAPI(title="Sharewise", version="1", redoc_url=None, docs_url=None)

    @app.post("/predict")
    async def predict(body: PredictBody) -> JSONResponse:
        """Return predictions for rows, as `sharewise predict` writes them."""
        call = partial(predicted, model, body.rows)
        found = await anyio.to_thread.run_sync(call, limiter=workers)
        return JSONResponse({"model": digest, "predictions": found})

    @app.get("/health")
    async def health() -> JSONResponse:
        """Return what answers."""
        tasks = [{"name": task.name, "kind": task.kind.name} for task in model.tasks]
        return JSONResponse({"status": "ok", "model": digest, "folder": folder.name, "tasks": tasks})

    @app.get("/metrics")
    async def metrics() -> Response:
        """Return counts and times as Prometheus reads them."""
        return Response(measured.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    say_errors(app)
    measured = Metrics(Limits(app, options, ("/predict",)), PATHS, "sharewise")
    return measured


def predicted(model: Predicts, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a record of predictions a row.

    Raises:
        DataError: if the rows are no table that the model reads.
    """
    try:
        frame = pl.from_dicts([dict(row) for row in rows], infer_schema_length=len(rows))
    except (TypeError, pl.exceptions.PolarsError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise DataError(f"The rows are no table: {reason}.", "Give a column values of one type.") from error
    found = model.predict(frame)
    floats = [name for name, dtype in found.schema.items() if dtype.is_float()]
    finite = [pl.when(pl.col(name).is_finite()).then(name).alias(name) for name in floats]
    return found.with_columns(finite).to_dicts()
