from __future__ import annotations

import pytest

from reasoning_widget.agents.tools.calculator import CalculationError, calculate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("450 * 12 / 100", "54"),
        ("2 ** 10", "1024"),
        ("2^10", "1024"),
        ("0.1 + 0.2", "0.3"),
        ("sqrt(2)", "1.41421356237"),
        ("1,250 × 8%", "100"),
        ("-7 // 2", "-4"),
    ],
)
def test_arithmetic_is_calculated(expression, value):
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    ["", "1/0", "2 +", "9**9**9", "__import__('os')", "'a' * 10", "(1).__class__", "[1, 2]", "1 < 2", "x", "1+" * 400],
)
def test_other_expressions_are_refused_with_a_message(expression):
    with pytest.raises(CalculationError):
        calculate(expression)
