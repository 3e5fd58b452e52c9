"""The contract suite over every structure x kind x shape of data x {full, missing labels}."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from sharewise.nn import STRUCTURES, Sharing, Traits
from sharewise.nn.structures import SharedBottom
from sharewise.testing import CASE_CHECKS, STRUCTURE_CHECKS, Case, check_structure, structure_cases


@pytest.mark.parametrize("check", CASE_CHECKS)
@pytest.mark.parametrize("case", structure_cases(), ids=str)
def test_case(case: Case, check: str) -> None:
    CASE_CHECKS[check](case)


@pytest.mark.parametrize("check", STRUCTURE_CHECKS)
@pytest.mark.parametrize("name", STRUCTURES)
def test_structure(name: str, check: str) -> None:
    STRUCTURE_CHECKS[check](name)


class Liar(SharedBottom):
    """Says that it is conditional, and is not."""

    traits: ClassVar[Traits] = Traits(conditional=True)


class Leak(SharedBottom):
    """Lets rows of a batch see each other."""

    def forward(self, x: torch.Tensor, *rest: object) -> torch.Tensor:
        found = super().forward(x, None, None)
        return found - found.mean(-2, keepdim=True)


@pytest.mark.parametrize("broken", [Liar, Leak])
def test_the_suite_finds_faults(broken: type[Sharing], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRUCTURES, "broken", broken)
    with pytest.raises(AssertionError):
        check_structure("broken")
