"""What to compute on and in which precision, chosen by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from sharewise.data.batches import Batch
from sharewise.errors import ConfigError

#: Kinds of devices that can train; others have no storage, or no kernels.
DEVICES = ("cpu", "cuda", "mps", "xpu")
PRECISIONS = ("auto", "fp32", "bf16")
#: Narrower matrices than this are bound by overhead, which bf16 does not cut.
WIDE = 128


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name; "auto" takes CUDA, else Apple's GPU, else the CPU.

    Raises:
        ConfigError: if there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in DEVICES:
            raise RuntimeError
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"Device '{name}' cannot be used here.", "Use 'auto' or 'cpu'.") from error
    return device


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the model's first parameter; the CPU if it has none."""
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def choose_precision(name: str, device: torch.device, model: nn.Module) -> str:
    """Return "fp32" or "bf16"; "auto" is bf16 where the hardware is faster at it and the model is wide."""
    if name != "auto":
        return name
    return "bf16" if _fast_bf16(device) and _wide(model) else "fp32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context to compute a model's outputs in."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def _wide(model: nn.Module) -> bool:
    return any(p.ndim >= 2 and min(p.shape[-2:]) >= WIDE for p in model.parameters())


def _fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool({"avx512_bf16", "amx_bf16"} & _cpu_flags())


def _cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux: fp32 is right everywhere
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


def usable_cores() -> int:
    """Return the CPU cores that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _quota())
    return os.cpu_count() or 1


def _quota() -> int:
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, int(limit) // int(period))
    except (OSError, ValueError):  # no container, or no limit
        return os.cpu_count() or 1


def seed_chance(device: torch.device, seed: int) -> None:
    """Seed what modules draw from on this device; `torch.manual_seed` seeds all, at 6 % of a small step."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Return the context of a training, which leaves the chance and the settings of the process as they are.

    On CUDA it sums in a fixed order: by default the gradients of rows that look up the same entry are added
    as they come, and no run ends with the bits of the one before.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if device.type != "cuda":
            yield
            return
        with _in_fixed_order():
            yield


@contextmanager
def _in_fixed_order() -> Iterator[None]:
    os.environ.setdefault(
        "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
    )  # asked for by torch; read at the first product
    fixed = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        torch.use_deterministic_algorithms(fixed, warn_only=only_warned)


def resident(batch: Batch, device: torch.device, share: float = 0.5) -> Batch:
    """Return a split on the device if it takes at most this share of the free memory there; else as it is."""
    if device.type != "cuda":
        return batch.to(str(device))
    tensors = [*batch.inputs.values(), batch.targets, batch.mask, batch.task, batch.weight, batch.descriptor]
    size = sum(t.numel() * t.element_size() for t in tensors if t is not None)
    return batch.to(str(device)) if size <= share * torch.cuda.mem_get_info(device)[0] else batch


def fetch(split: Batch, rows: torch.Tensor, device: torch.device, draws: int = 1) -> Batch:
    """Return the batch of these rows on the device, wherever the split lies."""
    here = split.targets.device
    rows = rows if rows.device == here else rows.to(here, non_blocking=True)
    batch = split.take(rows, draws)
    return batch if here == device else batch.to(str(device))


def part(batch: Batch, rows: slice) -> Batch:
    """Return some rows of a batch, which still counts as many draws."""
    return replace(batch.take(rows), draws=batch.draws)
