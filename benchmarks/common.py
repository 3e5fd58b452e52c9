"""What the benchmarks share: arguments, spreads, and the one JSON object that each prints last."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark: --json, --quick and --threads."""
    result = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    result.add_argument(
        "--json",
        action="store_true",
        help="what is printed is one JSON object; progress goes to the error stream",
    )
    result.add_argument("--quick", action="store_true", help="a small version: minutes become seconds")
    result.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of torch")
    return result


def start(arguments: argparse.Namespace) -> None:
    """Settle the number of threads."""
    torch.set_num_threads(arguments.threads)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, quartiles and count of repeated measurements."""
    low, median, high = np.quantile(np.asarray(values, dtype=np.float64), [0.25, 0.5, 0.75])
    return {"median": float(median), "q25": float(low), "q75": float(high), "n": len(values)}


def paired(differences: Sequence[float], level: float = 0.95) -> dict[str, float]:
    """Return the mean of paired differences with its Student interval."""
    from scipy.stats import t

    values = np.asarray(differences, dtype=np.float64)
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    reach = float(t.ppf(0.5 + level / 2, max(len(values) - 1, 1)) * error)
    mean = float(values.mean())
    return {"mean": mean, "low": mean - reach, "high": mean + reach, "n": len(values)}


def say(text: str) -> None:
    """Tell how far it is; on the error stream, so that the JSON object stands alone."""
    print(text, file=sys.stderr, flush=True)


def processor() -> str:
    """Return the processor's name, as well as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def finish(figures: dict[str, Any]) -> None:
    """Print the figures with the machine they were taken on, as the one JSON object."""
    machine = {
        "processor": processor(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }
    print(json.dumps({**figures, "machine": machine}, indent=2))
