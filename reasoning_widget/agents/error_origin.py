"""Where an exception came from: for whoever wrote the agent, beside the words for whoever asked it."""

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
"""Code points of a traceback; of a longer one the end is kept."""
_THIS_PACKAGE: Final = f"{Path(__file__).resolve().parents[1]}{os.sep}"
_PATHS: Final = sysconfig.get_paths()
_PYTHON: Final = (f"{_PATHS['stdlib']}{os.sep}", f"{_PATHS['platstdlib']}{os.sep}", "<frozen ")
_INSTALLED: Final = tuple(
    f"{folder}{os.sep}" for folder in (_PATHS["purelib"], _PATHS["platlib"], site.getusersitepackages())
)


def error_origin(error: BaseException) -> Raised | None:
    """Where an agent's exception came from.

    None where that helps nobody: the agent says in words what is the matter, or a model's server refused and there is
    no code of the person's own in between.
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
    """Whether it is of what carries agents: Python's own modules, and this package."""
    if _is_under(frame, _INSTALLED) and not _is_under(frame, (_THIS_PACKAGE,)):
        return False
    return _is_under(frame, (*_PYTHON, _THIS_PACKAGE))


def _location(frame: traceback.FrameSummary) -> str:
    """A place in code, as people would say it: ``agent.py, line 3, in answer``."""
    within = "" if frame.name.startswith("<") else f", in {frame.name}"
    return f"{_short_filename(frame.filename)}, line {frame.lineno}{within}"


def _short_filename(filename: str) -> str:
    """A file's name, as short as it can be said; of a notebook the cell."""
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
    """The traceback, without the frames that only carried it, and without keys."""
    inner: TracebackType | None = error.__traceback__
    for _ in range(begin):
        inner = inner.tb_next if inner is not None else None
    text = redact("".join(traceback.format_exception(type(error), error, inner))).rstrip()
    return text if len(text) <= _LONGEST else f"…{text[-_LONGEST:]}"
