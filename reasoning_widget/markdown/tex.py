"""Convert formulas from TeX to MathML, in bounded time, and without anything that is fetched or executed."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from math_core import LatexToMathML

MAX_LENGTH: Final = 10_000
"""The longest formula, in characters."""
MAX_COMMANDS: Final = 400
"""The most commands in a formula."""
MAX_GROUP_DEPTH: Final = 40
"""The deepest nesting in a formula. Browsers lay out each level several times; at 300 levels, their tabs crash."""
MAX_ELEMENT_DEPTH: Final = 120
"""The deepest nesting of MathML elements."""

_TOKEN: Final = re.compile(r"\\(?:[A-Za-z]+|.)|[{}\[\]&$]|[-+=,;]|[^\s]", re.DOTALL)
_DEFINITION: Final = re.compile(
    r"\\(?:[gex]?def|let|futurelet|(?:re|provide)?newcommand|providecommand|renewcommand|DeclareMathOperator"
    r"|(?:re)?newenvironment|csname)(?![A-Za-z])"
)
"""Commands that define commands, whose expansion may be unbounded."""
_TAKES_ARGUMENT: Final = re.compile(
    r"\\(?:[cdt]?frac|[dt]?binom|sqrt|root|genfrac|over\w+|under\w+|x\w+arrow|stackrel|sideset|prescript"
    r"|(?:wide)?(?:hat|tilde|check)|bar|vec|dot|d+dot|acute|grave|breve|mathring|not|cancel|[bx]cancel"
    r"|math\w+|text\w*|operatorname\*?|bm|boldsymbol|pmb|boxed|[vh]?phantom|smash|[rlm]lap|mbox|[hf]box|color|tag)$"
)
"""Commands that may take any following character as their argument."""
_ELEMENT: Final = re.compile(r"<(/?)[a-z]+[^>]*?(/?)>")


def tex_of(source: str) -> str:
    """Return a formula without its delimiters."""
    return source[1:-1] if source.startswith("$") and not source.startswith("$$") else source[2:-2]


def is_costly(tex: str) -> bool:
    """Whether rendering a formula, or a text with formulas, may take very long or crash the renderer."""
    return len(tex) > MAX_LENGTH or _DEFINITION.search(tex) is not None or _group_depth(tex) > MAX_GROUP_DEPTH


def _group_depth(tex: str) -> int:
    """Return an upper bound of the nesting depth: of groups, and of commands that wait for their arguments."""
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
    """Rendering the text might take very long, or crash the renderer."""


@lru_cache(maxsize=512)
def mathml(tex: str, *, display: bool) -> str | None:
    """Convert a formula to MathML that contains its source; None if the formula is invalid.

    Raises:
        TooCostly: The formula is too long, nested too deeply, or defines commands.
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
