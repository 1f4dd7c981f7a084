"""The adapter for Qwen-Agent."""

from .agent import QwenAgent
from .prepared import import_qwen_agent

__all__ = ["QwenAgent", "import_qwen_agent"]
