"""A trial: one structure trained once. What decides it, and its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sharewise.files import sha256, to_json
from sharewise.nn import ModelOptions
from sharewise.train import TrainOptions

#: Of what a trial leaves; a trial of another version is trained anew.
FORMAT = 1


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        structure: the structure's name in the study.
        options: of the model.
        train: of the training; the model's first weights come from its seed too.
        balance: the weighting's name as ``method``, and its arguments.
        data: digest of the table.
    """

    structure: str
    options: ModelOptions
    train: TrainOptions
    balance: Mapping[str, Any]
    data: str

    @property
    def digest(self) -> str:
        """SHA-256 over all that decides the trial."""
        return sha256(to_json({"format": FORMAT, **self.to_dict()}))

    @property
    def name(self) -> str:
        """Readable, unlike that of any other trial, and fit for a folder's name."""
        plain = re.sub(r"[^A-Za-z0-9_.=-]+", "_", self.structure).strip("_")
        return f"{plain}-rate{self.train.learning_rate:g}-seed{self.train.seed}-{self.digest[:8]}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return {
            "structure": self.structure,
            "options": asdict(self.options),
            "train": self.train.to_dict(),
            "balance": dict(self.balance),
            "data": self.data,
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Trial:
        options: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in values["options"].items()
        }
        train = TrainOptions(**values["train"])
        return Trial(values["structure"], ModelOptions(**options), train, values["balance"], values["data"])
