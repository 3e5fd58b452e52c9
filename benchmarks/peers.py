"""The two peers behind one interface: DeepCTR-Torch 0.3.0 and torch-rechub 0.9.0, used as their guides show.

They are needed by `mmoe_throughput.py` alone and are no dependency of Sharewise. To install them beside it:

    pip install --no-deps deepctr-torch==0.3.0 torch-rechub==0.9.0
    pip install scikit-learn pandas tqdm requests

Where a default of a peer would cost it time or change the objective, it is turned off: DeepCTR-Torch's
penalty on the embeddings, torch-rechub's weight decay; neither prints nor computes metrics while training.
"""

from __future__ import annotations

import contextlib
import io
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Columns = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Problem:
    """Encoded columns by name: ids of categorical inputs, standardised numbers; labels `[rows, tasks]`."""

    train: Columns
    test: Columns
    train_labels: NDArray[np.float32]
    test_labels: NDArray[np.float32]
    cardinalities: dict[str, int]
    numeric: tuple[str, ...]
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """Widths of an MMoE of `experts` experts."""

    expert: tuple[int, ...]
    tower: tuple[int, ...]
    experts: int = 8
    embedding: int = 8
    batch: int = 1024
    learning_rate: float = 1e-3


class System(ABC):
    """A library with an MMoE in training."""

    @abstractmethod
    def train_epoch(self) -> None:
        """Train for one more epoch."""

    @abstractmethod
    def scores(self) -> NDArray[np.float64]:
        """Return the test rows' predictions, `[rows, tasks]`."""

    @abstractmethod
    def parameters(self) -> int:
        """Return the number of trained parameters."""


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Let the peers print into the void."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


class DeepCTR(System):
    """DeepCTR-Torch: `MMOE(...).compile(...).fit(...)`."""

    def __init__(self, problem: Problem, size: Size, seed: int, device: str = "cpu") -> None:
        before = set(threading.enumerate())
        with silent():
            from deepctr_torch.inputs import DenseFeat, SparseFeat
            from deepctr_torch.models.multitask.mmoe import MMOE

            for thread in set(threading.enumerate()) - before:  # it asks for its newest version, and prints
                thread.join()
        columns = [
            SparseFeat(name, count, embedding_dim=size.embedding)
            for name, count in problem.cardinalities.items()
        ]
        columns += [DenseFeat(name, 1) for name in problem.numeric]
        self.problem, self.size = problem, size
        self.model = MMOE(
            columns,
            num_experts=size.experts,
            expert_dnn_hidden_units=size.expert,
            gate_dnn_hidden_units=(),
            tower_dnn_hidden_units=size.tower,
            l2_reg_embedding=0,
            l2_reg_linear=0,
            seed=seed,
            task_types=["binary"] * len(problem.tasks),
            task_names=list(problem.tasks),
            device=device,
        )
        optimizer = torch.optim.Adam(self.model.parameters(), lr=size.learning_rate)
        self.model.compile(optimizer, loss=["binary_crossentropy"] * len(problem.tasks))
        torch.manual_seed(seed)

    def train_epoch(self) -> None:
        with silent():
            self.model.fit(
                dict(self.problem.train),
                self.problem.train_labels,
                batch_size=self.size.batch,
                epochs=1,
                verbose=0,
            )

    def scores(self) -> NDArray[np.float64]:
        return np.asarray(self.model.predict(dict(self.problem.test), 8192), dtype=np.float64)

    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())


class Rechub(System):
    """torch-rechub: `MTLTrainer(MMOE(...)).train_one_epoch(loader)`, the inner part of its `fit`."""

    def __init__(self, problem: Problem, size: Size, seed: int, device: str = "cpu") -> None:
        with silent():
            from torch_rechub.basic.features import DenseFeature, SparseFeature
            from torch_rechub.models.multi_task import MMOE
            from torch_rechub.trainers import MTLTrainer
            from torch_rechub.utils.data import DataGenerator
        torch.manual_seed(seed)
        features = [
            SparseFeature(name, count, embed_dim=size.embedding)
            for name, count in problem.cardinalities.items()
        ]
        features += [DenseFeature(name) for name in problem.numeric]
        kinds = ["classification"] * len(problem.tasks)
        towers = [{"dims": list(size.tower)} for _ in problem.tasks]
        self.problem, self.device = problem, device
        self.model = MMOE(features, kinds, size.experts, {"dims": list(size.expert)}, towers)
        rate = {"lr": size.learning_rate}
        self.trainer = MTLTrainer(self.model, kinds, optimizer_params=rate, n_epoch=1, device=device)
        generator = DataGenerator(problem.train, problem.train_labels)
        self.loader, *_ = generator.generate_dataloader(
            x_val=problem.test,
            y_val=problem.test_labels,
            x_test=problem.test,
            y_test=problem.test_labels,
            batch_size=size.batch,
        )

    def train_epoch(self) -> None:
        with silent():
            self.trainer.train_one_epoch(self.loader)

    def scores(self) -> NDArray[np.float64]:
        self.model.eval()
        with torch.no_grad():
            test = self.problem.test.items()
            rows = {name: torch.as_tensor(column, device=self.device) for name, column in test}
            return self.model(rows).double().cpu().numpy()

    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())
