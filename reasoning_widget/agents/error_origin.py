"""Locate the origin of an exception, for the author of an agent."""

from __future__ import annotations

import os
import site
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from ..host import ipython_shell
from ..protocol import Raised
from .errors import is_explained, redact
from .exceptions import AgentError, MaxIterationsReached, Stopped

_EXPECTED: Final = (AgentError, MaxIterationsReached, Stopped)
_LONGEST: Final = 16 * 1024
"""Maximum length of a traceback in code points. The beginning of a longer one is cut."""
_THIS_PACKAGE: Final = f"{Path(__file__).resolve().parents[1]}{os.sep}"
_PATHS: Final = sysconfig.get_paths()
_PYTHON: Final = (f"{_PATHS['stdlib']}{os.sep}", f"{_PATHS['platstdlib']}{os.sep}", "<frozen ")
_INSTALLED: Final = tuple(
    f"{folder}{os.sep}" for folder in (_PATHS["purelib"], _PATHS["platlib"], site.getusersitepackages())
)


def error_origin(error: BaseException) -> Raised | None:
    """Return where an agent's exception came from.

    None if the location would not help: the agent explains the error itself, or a model server rejected a request and
    the traceback contains none of the person's own code.
    """
    if isinstance(error, _EXPECTED):
        return None
    frames = traceback.extract_tb(error.__traceback__)
    begin = next((number for number, frame in enumerate(frames) if not _is_internal(frame)), None)
    if begin is None:
        return None
    own = [frame for frame in frames if not _is_internal(frame) and not _is_under(frame, _INSTALLED)]
    if not own and is_explained(error):
        return None
    place = own[-1] if own else frames[-1]
    return {"where": redact(_location(place)), "traceback": _formatted(error, begin)}


def _is_under(frame: traceback.FrameSummary, folders: Sequence[str]) -> bool:
    return frame.filename.startswith(tuple(folders))


def _is_internal(frame: traceback.FrameSummary) -> bool:
    """Return whether the frame belongs to the standard library or to this package."""
    if _is_under(frame, _INSTALLED) and not _is_under(frame, (_THIS_PACKAGE,)):
        return False
    return _is_under(frame, (*_PYTHON, _THIS_PACKAGE))


def _location(frame: traceback.FrameSummary) -> str:
    """Return a place in code as text, such as ``agent.py, line 3, in answer``."""
    within = "" if frame.name.startswith("<") else f", in {frame.name}"
    return f"{_short_filename(frame.filename)}, line {frame.lineno}{within}"


def _short_filename(filename: str) -> str:
    """Return the shortest unambiguous name of a file; for code of a notebook, the name of its cell."""
    compiler = getattr(ipython_shell(), "compile", None)
    named = getattr(compiler, "format_code_name", lambda _: None)(filename)
    if named:
        return " ".join(named)
    path = Path(filename)
    for folder, begin in ((Path.cwd(), Path()), (Path.home(), Path("~"))):
        if path.is_relative_to(folder):
            return str(begin / path.relative_to(folder))
    return filename


def _formatted(error: BaseException, begin: int) -> str:
    """Return the traceback without its internal outer frames, and with keys masked."""
    inner: TracebackType | None = error.__traceback__
    for _ in range(begin):
        inner = inner.tb_next if inner is not None else None
    text = redact("".join(traceback.format_exception(type(error), error, inner))).rstrip()
    return text if len(text) <= _LONGEST else f"…{text[-_LONGEST:]}"
