"""What loading the server extension imports."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from jupyter_server.serverapp import ServerApp

app = ServerApp()
app.initialize(["--ServerApp.jpserver_extensions={'reasoning_widget.server': True}"], find_extensions=False)
heavy = "cryptography dashscope httpx huggingface_hub jwt mcp numpy openai qwen_agent xllamacpp".split()
print("reasoning_widget.server.extension" in sys.modules, *set(heavy) & set(sys.modules))
"""


@pytest.mark.slow
def test_modules_that_only_agents_and_tickets_need_are_not_imported(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )

    assert done.stdout == "True\n"
