"""Import Qwen-Agent without what its import does to a notebook.

Imported plainly, on the main thread, it replaces the handlers of SIGINT and SIGTERM; an `Assistant` made later creates
``./workspace``; and its logger prints every model call to standard error.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import platformdirs

_WORKSPACE = "QWEN_AGENT_DEFAULT_WORKSPACE"
_DEBUG = "QWEN_AGENT_DEBUG"
_lock = threading.Lock()


def import_package() -> Any:
    """Import and return the package `qwen_agent`, without what its import does to a notebook.

    Raises:
        ImportError: Qwen-Agent or one of its dependencies is not installed.
    """
    if "qwen_agent.agents" in sys.modules:
        import qwen_agent.agents  # waits where another thread is in the middle of it

        return qwen_agent
    with _lock, _signal_handlers_kept(), _workspace_in_cache(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its own dependencies, in the middle of the person's output
        import qwen_agent.agents

        return qwen_agent


def quiet(is_ours: Callable[[], bool]) -> None:
    """Keep Qwen-Agent's logger from printing where `is_ours` says so: the steps show what happens there.

    Does nothing when ``QWEN_AGENT_DEBUG`` is set, nor to handlers that write elsewhere than to the standard streams.
    """
    if os.getenv(_DEBUG, "0").strip().lower() in {"1", "true"}:
        return
    for handler in logging.getLogger("qwen_agent_logger").handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            with _lock:
                if not any(isinstance(known, _NotOurs) for known in handler.filters):
                    handler.addFilter(_NotOurs(is_ours))


class _NotOurs(logging.Filter):
    def __init__(self, is_ours: Callable[[], bool]) -> None:
        super().__init__()
        self._is_ours = is_ours

    def filter(self, record: logging.LogRecord) -> bool:
        return not self._is_ours()


@contextlib.contextmanager
def _signal_handlers_kept() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # nothing is installed there
        return
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            if handler is not None:  # None: not installed from Python, and cannot be put back
                signal.signal(number, handler)


@contextlib.contextmanager
def _workspace_in_cache() -> Iterator[None]:
    # Read once, when its settings are imported; other programs started from here need not see it.
    if _WORKSPACE in os.environ:
        yield
        return
    os.environ[_WORKSPACE] = os.path.join(platformdirs.user_cache_dir("reasoning-widget"), "qwen-workspace")  # noqa: PTH118
    try:
        yield
    finally:
        del os.environ[_WORKSPACE]
