"""Canaries: the side effects of importing Qwen-Agent, which `import_package` prevents.

A failed test means that a new Qwen-Agent needs fewer corrections, or that the seam no longer works.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from qwen_agent import settings

from reasoning_widget.compat.qwen.imports import LOGGER, silence_logger

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
LOOK = """
import signal
handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
{imports}
from qwen_agent.settings import DEFAULT_WORKSPACE
print(handlers == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)))
print(DEFAULT_WORKSPACE)
"""


def look(imports: str, folder: Path) -> list[str]:
    """Whether the signal handlers are unchanged after these imports, and the path of the workspace."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + LOOK.format(imports=imports)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_plain_import_replaces_signal_handlers_and_uses_the_current_folder(tmp_path: Path) -> None:
    assert look("import qwen_agent.agents", tmp_path) == ["False", "workspace"]


def test_our_import_changes_neither_signal_handlers_nor_the_folder(tmp_path: Path) -> None:
    same, workspace = look(
        "from reasoning_widget.compat.qwen.imports import import_package; import_package()", tmp_path
    )

    assert same == "True"
    assert Path(workspace).is_absolute()
    assert Path(workspace).parent.name == "reasoning-widget"


def test_a_workspace_chosen_by_the_person_is_used(tmp_path: Path) -> None:
    name = "import os; os.environ['QWEN_AGENT_DEFAULT_WORKSPACE'] = '/somewhere'\n"
    ours = "from reasoning_widget.compat.qwen.imports import import_package; import_package()"

    assert look(name + ours, tmp_path) == ["True", "/somewhere"]


def test_the_workspace_can_be_configured() -> None:
    assert isinstance(settings.DEFAULT_WORKSPACE, str)


def test_watched_log_messages_are_dropped_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from qwen_agent.log import logger

    assert logger.name == LOGGER
    (handler,) = (each for each in logger.handlers if isinstance(each, logging.StreamHandler))
    monkeypatch.setattr(handler, "filters", [])
    record = logging.LogRecord(LOGGER, logging.INFO, __file__, 1, "a model call", (), None)
    watched = True

    silence_logger(lambda: watched)
    assert not handler.filter(record)

    watched = False
    assert handler.filter(record)
