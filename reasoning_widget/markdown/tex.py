"""Formulas: TeX as MathML, in bounded time, and without anything that is fetched or runs."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from math_core import LatexToMathML

MAX_LENGTH: Final = 10_000
"""Of a formula, in characters."""
MAX_COMMANDS: Final = 400
MAX_GROUP_DEPTH: Final = 40
"""So deep a formula may be nested. Browsers lay out each level several times; at 300, their tabs crash."""
MAX_ELEMENT_DEPTH: Final = 120
"""Elements of MathML within each other."""

_TOKEN: Final = re.compile(r"\\(?:[A-Za-z]+|.)|[{}\[\]&$]|[-+=,;]|[^\s]", re.DOTALL)
_DEFINITION: Final = re.compile(
    r"\\(?:[gex]?def|let|futurelet|(?:re|provide)?newcommand|providecommand|renewcommand|DeclareMathOperator"
    r"|(?:re)?newenvironment|csname)(?![A-Za-z])"
)
"""What makes commands, which may grow without bounds."""
_TAKES_ARGUMENT: Final = re.compile(
    r"\\(?:[cdt]?frac|[dt]?binom|sqrt|root|genfrac|over\w+|under\w+|x\w+arrow|stackrel|sideset|prescript"
    r"|(?:wide)?(?:hat|tilde|check)|bar|vec|dot|d+dot|acute|grave|breve|mathring|not|cancel|[bx]cancel"
    r"|math\w+|text\w*|operatorname\*?|bm|boldsymbol|pmb|boxed|[vh]?phantom|smash|[rlm]lap|mbox|[hf]box|color|tag)$"
)
"""Commands for which any sign behind them may be what they take."""
_ELEMENT: Final = re.compile(r"<(/?)[a-z]+[^>]*?(/?)>")


def tex_of(source: str) -> str:
    """A formula without its delimiters."""
    return source[1:-1] if source.startswith("$") and not source.startswith("$$") else source[2:-2]


def is_costly(tex: str) -> bool:
    """Whether drawing a formula, or a text with formulas, may take very long or crash what draws it."""
    return len(tex) > MAX_LENGTH or _DEFINITION.search(tex) is not None or _group_depth(tex) > MAX_GROUP_DEPTH


def _group_depth(tex: str) -> int:
    """How deep it may be nested, at most: in groups, and by commands that wait for what follows them."""
    deepest = pending = optional = commands = 0
    groups: list[int] = []
    previous = ""
    for sign in _TOKEN.findall(tex):
        if sign[0] == "\\" and sign not in ("\\\\", "\\right", "\\end"):
            commands += 1
            if sign[1].isalpha() or sign in ("\\left", "\\begin"):
                pending += 1
        if sign in ("{", "\\left", "\\begin"):
            groups.append(pending)
        elif sign in ("}", "\\right", "\\end"):
            pending = groups.pop() if groups else 0
        elif sign == "[":
            optional += previous.startswith("\\")
        elif sign == "]":
            optional = max(0, optional - 1)
        elif sign in ("&", "\\\\", "$") or (sign in "-+=,;" and not optional and not _TAKES_ARGUMENT.match(previous)):
            pending = groups[-1] if groups else 0
        deepest = max(deepest, len(groups) + pending)
        previous = sign
    return deepest if commands <= MAX_COMMANDS else MAX_GROUP_DEPTH + 1


class TooCostly(ValueError):
    """Drawing it might take very long, or crash what draws it."""


@lru_cache(maxsize=512)
def mathml(tex: str, *, display: bool) -> str | None:
    """A formula as MathML, with its source in it; None for what is no formula.

    Raises:
        TooCostly: It is too long, nested too deep, or makes commands of its own.
    """
    if is_costly(tex):
        raise TooCostly
    from math_core import LatexError

    try:
        drawn = _converter().convert_with_local_state(tex, displaystyle=display)
    except LatexError:
        return None
    if _element_depth(drawn) > MAX_ELEMENT_DEPTH:
        raise TooCostly
    return drawn


def _element_depth(drawn: str) -> int:
    depth = deepest = 0
    for element in _ELEMENT.finditer(drawn):
        if element[1]:
            depth -= 1
        elif not element[2]:
            depth += 1
            deepest = max(deepest, depth)
    return deepest


@cache
def _converter() -> LatexToMathML:
    from math_core import LatexToMathML

    return LatexToMathML(annotation=True, fancy_error=False, max_expansions=0)
