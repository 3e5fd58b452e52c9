"""ONNX: a network as a graph that other runtimes run (extra ``export``)."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.export import ExportedProgram

from sharewise.errors import ConfigError

#: The name of the output, and of the dimension of rows.
OUTPUT, ROWS = "predictions", "rows"
#: Bytes that one file of this format can hold.
MOST = 2**31 - 1


def to_onnx(program: ExportedProgram, names: Iterable[str]) -> bytes:
    """Return a traced network as the content of an ``.onnx`` file.

    Nothing in it tells where or when it was made.

    Args:
        program: of a `Network`.
        names: of its inputs, in their order.

    Raises:
        ConfigError: if the exporter is not installed, it lacks an operator, or the model is too large.
    """
    check_exporter()
    try:
        with _quiet():
            made: Any = torch.onnx.export(
                program, (), dynamo=True, input_names=list(names), output_names=[OUTPUT], verbose=False
            )
        proto = made.model_proto
        _strip(proto)
        size = proto.ByteSize()
        content: bytes = proto.SerializeToString(deterministic=True) if size <= MOST else b""
    except torch.onnx.OnnxExporterError as error:
        lines = [line for line in str(error).splitlines() if "No ONNX function" in line]
        reason = lines[0].strip() if lines else type(error).__name__
        raise ConfigError(
            f"The model cannot become ONNX: {reason}", "Predict with the run itself."
        ) from error
    if not content:
        raise ConfigError("The model is larger than an ONNX file can be (2 GiB).", "Use smaller embeddings.")
    return content


def check_exporter() -> None:
    """Refuse to export to ONNX without its packages.

    Raises:
        ConfigError: if one is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"Exporting needs the package '{error.name}'.", "pip install 'sharewise[export]'"
        ) from error


def _strip(proto: Any) -> None:
    """Take out what tells of the machine that exported, and name the dimension of rows."""
    del proto.metadata_props[:]
    graph = proto.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    for function in proto.functions:
        del function.metadata_props[:]
        for node in function.node:
            del node.metadata_props[:]
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = ROWS


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress and advice off the terminal."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
