"""What balancing asks of structures, over every structure x shape x {full, missing labels}."""

from __future__ import annotations

import pytest

from sharewise.testing import GRADIENT_CHECKS, Case, structure_cases


@pytest.mark.parametrize("check", GRADIENT_CHECKS)
@pytest.mark.parametrize("case", structure_cases(kinds=["regression"]), ids=str)
def test_case(case: Case, check: str) -> None:
    GRADIENT_CHECKS[check](case)
