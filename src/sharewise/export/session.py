"""Engines: what runs an exported network: ONNX Runtime, and torch to check what is exported."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from sharewise.errors import ConfigError
from sharewise.export.program import split_task

#: Names of engines.
ONNX, TORCH = "onnxruntime", "torch"


class Engine(Protocol):
    """Runs an exported network; may be called from several threads at once.

    Attributes:
        name: "onnxruntime" or "torch".
    """

    name: str

    def run(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return predictions in the labels' unit, float32 ``[rows, columns]``."""
        ...


class OnnxEngine:
    """ONNX Runtime, on the CPU.

    Args:
        content: of an ``.onnx`` file.
        threads: for one call; several calls may run beside each other.

    Raises:
        ImportError: if it is not installed.
    """

    name = ONNX

    def __init__(self, content: bytes, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        self._names = [given.name for given in self._session.get_inputs()]

    def run(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return predictions, float32 ``[rows, columns]``."""
        values = {name: inputs[name].numpy() for name in self._names}
        return torch.from_numpy(self._session.run(None, values)[0])


class TorchEngine:
    """The program of torch.export, to check it where it was made.

    Args:
        content: of a ``.pt2`` file that this process has written. What others wrote is never loaded: torch
            unpickles parts of it (CVE-2026-4538).
    """

    name = TORCH

    def __init__(self, content: bytes) -> None:
        self._module = torch.export.load(io.BytesIO(content)).module()

    def run(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return predictions, float32 ``[rows, columns]``."""
        own, task = split_task(inputs)
        with torch.inference_mode():
            found: Tensor = self._module(own) if task is None else self._module(own, task)
        return found


def open_engine(onnx: bytes, threads: int = 1) -> Engine:
    """Return what runs an exported network.

    Raises:
        ConfigError: if ONNX Runtime is not installed.
    """
    try:
        return OnnxEngine(onnx, threads)
    except ImportError as error:
        raise ConfigError(
            "An export is run by ONNX Runtime, which is not installed.",
            "Install it with: pip install 'sharewise[export]', or name the run itself.",
        ) from error
