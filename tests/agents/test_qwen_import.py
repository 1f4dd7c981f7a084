"""Importing Qwen-Agent through this package registers the embedded model."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("first", ["", "import warnings; warnings.simplefilter('ignore'); import qwen_agent.agents\n"])
def test_a_custom_agent_can_use_the_embedded_model(first, tmp_path):
    program = (
        "from reasoning_widget.agents.qwen import import_qwen_agent\n"
        "import_qwen_agent()\n"
        "from qwen_agent.agents import Assistant\n"
        "print(Assistant(llm={'model_type': 'embedded'}).llm.model)"
    )
    done = subprocess.run(
        [sys.executable, "-c", first + program], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert "0.5b" in done.stdout.lower()
