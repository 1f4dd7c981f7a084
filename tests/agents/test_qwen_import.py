"""What importing Qwen-Agent through this package makes ready."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("first", ["", "import warnings; warnings.simplefilter('ignore'); import qwen_agent.agents\n"])
def test_an_agent_of_ones_own_can_be_given_the_embedded_model(first, tmp_path):
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
