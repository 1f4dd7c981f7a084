"""Import Qwen-Agent without the side effects of its import, and silence its logger.

For qwen-agent 0.0.31 to 0.0.34; not reported upstream as far as we know. Without this,

- importing it on the main thread replaces the handlers of SIGINT and SIGTERM, and so the kernel's;
- its settings name ``./workspace``, which agents then create beside the notebook;
- its dependencies print deprecation warnings into the output of the cell;
- its logger prints every model call to standard error.
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
from pathlib import Path
from typing import Any, Final

import platformdirs

LOGGER: Final = "qwen_agent_logger"
"""The name of Qwen-Agent's logger."""
_WORKSPACE: Final = "QWEN_AGENT_DEFAULT_WORKSPACE"
_DEBUG: Final = "QWEN_AGENT_DEBUG"
_lock: Final = threading.Lock()


def import_package() -> Any:
    """Import and return the package `qwen_agent`, without the side effects of its import.

    Raises:
        ImportError: Qwen-Agent or one of its dependencies is not installed.
    """
    if "qwen_agent.agents" in sys.modules:
        import qwen_agent.agents  # waits while another thread imports it

        return qwen_agent
    with _lock, _preserved_signal_handlers(), _workspace_in_cache(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import qwen_agent.agents

        return qwen_agent


def silence_logger(is_watched: Callable[[], bool]) -> None:
    """Drop Qwen-Agent's log messages where `is_watched` returns true: the steps show what happens there.

    Handlers that write elsewhere than to the standard streams are not changed. Does nothing if ``QWEN_AGENT_DEBUG``
    is set.

    Args:
        is_watched: Called for each log message, in the thread that logs it.
    """
    if os.getenv(_DEBUG, "0").strip().lower() in {"1", "true"}:
        return
    for handler in logging.getLogger(LOGGER).handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            with _lock:
                if not any(isinstance(each, _UnwatchedOnly) for each in handler.filters):
                    handler.addFilter(_UnwatchedOnly(is_watched))


class _UnwatchedOnly(logging.Filter):
    """Passes the log messages of code that nobody watches."""

    def __init__(self, is_watched: Callable[[], bool]) -> None:
        super().__init__()
        self._is_watched = is_watched

    def filter(self, record: logging.LogRecord) -> bool:
        return not self._is_watched()


@contextlib.contextmanager
def _preserved_signal_handlers() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers are only installed on the main thread
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:  # None: installed by other code than Python's, which cannot be restored
                signal.signal(number, handler)


@contextlib.contextmanager
def _workspace_in_cache() -> Iterator[None]:
    # The variable is read once, when the settings are imported. Child processes need not inherit it.
    if _WORKSPACE in os.environ:
        yield
        return
    os.environ[_WORKSPACE] = str(Path(platformdirs.user_cache_dir("reasoning-widget")) / "qwen-workspace")
    try:
        yield
    finally:
        del os.environ[_WORKSPACE]
