"""Import Qwen-Agent as the package does, before any test module imports it.

A plain import installs signal handlers, chooses a workspace in the current folder, and warns; warnings are errors here.
"""

from __future__ import annotations

from reasoning_widget.agents.qwen import import_qwen_agent

import_qwen_agent()
