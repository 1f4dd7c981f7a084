"""A calculator for arithmetic expressions."""

from __future__ import annotations

import math
import re
from typing import Final


class CalculationError(Exception):
    """An expression cannot be calculated; the text says why."""


_FUNCTIONS: Final = {
    "abs": abs, "ceil": math.ceil, "cos": math.cos, "exp": math.exp, "floor": math.floor, "log": math.log,
    "log10": math.log10, "max": max, "min": min, "round": round, "sin": math.sin, "sqrt": math.sqrt, "tan": math.tan,
}  # fmt: skip
_MAX_CHARS: Final = 500
_SIGNS: Final = str.maketrans({"\N{MULTIPLICATION SIGN}": "*", "\N{DIVISION SIGN}": "/", "\N{MINUS SIGN}": "-"})


def calculate(expression: str) -> str:
    """Return the value of an arithmetic expression, such as ``450 * 12 / 100``, ``2 ** 10`` or ``sqrt(2)``.

    Raises:
        CalculationError: The expression is not arithmetic, is too large, or divides by zero.
    """
    import simpleeval

    if len(expression) > _MAX_CHARS:
        raise CalculationError(f"The expression is longer than {_MAX_CHARS} characters.")
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", expression).translate(_SIGNS)
    plain = re.sub(r"(\d+(?:\.\d+)?)\s*%(?!\s*[\w(.])", r"(\1/100)", plain).replace("^", "**")
    names = {"pi": math.pi, "e": math.e}
    try:
        value = simpleeval.SimpleEval(functions=_FUNCTIONS, names=names).eval(plain)
    except ZeroDivisionError:
        raise CalculationError("Division by zero.") from None
    except Exception as error:
        raise CalculationError(f"{expression!r} cannot be calculated: {error}") from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CalculationError(f"{expression!r} is not arithmetic.")
    return str(value) if isinstance(value, int) else format(value, ".12g")
