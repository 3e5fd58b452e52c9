"""What a comparison leaves: evidence as plain values, and a trained model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sharewise.errors import ConfigError, nearest
from sharewise.nn import MultiTaskModel


@dataclass(frozen=True)
class Comparison:
    """A finished study.

    Attributes:
        evidence: the content of ``metrics.json``; see `to_dict`.
        timing: what differs from run to run: seconds and rows of every judged trial, by its name.
        model: of the best structure on the validation split, with the best of its seeds; in evaluation mode.
    """

    evidence: dict[str, Any]
    timing: dict[str, Any]
    model: MultiTaskModel

    @property
    def best(self) -> str:
        """The structure with the best mean score on the validation split."""
        return str(self.evidence["best"]["structure"])

    @property
    def structures(self) -> tuple[str, ...]:
        """Names of all structures, the baseline first."""
        return tuple(one["name"] for one in self.evidence["structures"])

    def verdicts(self, structure: str | None = None) -> dict[str, str]:
        """Return "helps", "hurts" or "can't tell" by task, against independent networks.

        Args:
            structure: one of `structures` but the baseline; by default the best.

        Raises:
            ConfigError: if it was not compared.
        """
        name = structure or self.best
        compared = [one for one in self.structures if one != self.evidence["baseline"]]
        if name not in compared and structure is not None:
            raise ConfigError(f"'{name}' was not compared with the baseline.", nearest(name, compared))
        return {e["task"]: e["verdict"] for e in self.evidence["effects"] if e["structure"] == name}

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``metrics.json``: no times, so the same configuration gives the same.

        Numbers that are not finite are None. "Spread" means ``{"mean", "sd"}`` over seeds.

        * ``format``, ``kind`` ("comparison"), ``baseline``, ``level``, ``seeds``, ``threads``
        * ``train``: the options of every trial, with ``balance``
        * ``verdict``: ``headline``, ``sentences`` (one a structure), ``advice`` (each ``topic``, ``text``)
        * ``best``: ``structure``, ``seed``, ``trial``, chosen on the validation split
        * ``tasks``: each ``name``, ``kind``, ``metric`` (the primary one; larger is better), ``label``,
          ``weight``
        * ``structures``: each ``name``, ``options``, ``parameters``, ``multiplications``, ``learning_rate``
          (the chosen one), ``score`` (spread, on the validation split)
        * ``search``: structure -> learning rate -> validation score; empty without a search
        * ``results``: structure -> task -> the primary metric on the test split as ``mean``, ``sd`` and
          ``values`` by seed, with ``rows``, ``loss`` (spread), ``constant_loss``, ``other`` (metric ->
          spread), and ``train_gain``, ``valid_gain`` and their difference ``gap`` (spreads; a gain is 1 -
          loss / loss of the constant predictor)
        * ``effects``: each ``structure``, ``task``, ``metric``, ``difference`` from the baseline, ``low`` and
          ``high`` of its 95 % interval, ``seed_error``, ``row_error``, ``freedom``, ``p``, ``adjusted``
          (Holm), ``verdict``
        * ``curves``: structure -> runs, each ``seed`` and ``records`` (``step``, ``epoch``,
          ``learning_rate``, ``score``, ``train`` and ``valid``: task -> loss)
        * ``gates``: structure -> ``seed``, ``weights`` ``[tasks][experts]`` of that seed, ``largest`` (task
          -> the largest mean weight by seed)
        * ``conflicts``: structure -> see `study.conflict.conflict_of`, of all seeds; structures that share
          nothing are not in it
        * ``calibration``: task -> see `study.calibration`, of the best model on the test split
        * ``rows`` by split, ``clusters`` of test rows or None, ``data``: the table's summary
        """
        return self.evidence
