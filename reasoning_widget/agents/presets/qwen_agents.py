"""The preset agents, built on Qwen-Agent. Call `import_qwen_agent` before you import this module."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from qwen_agent.agents import FnCallAgent

from ..base import BaseAgent
from ..qwen import QwenAgent
from ..tools.qwen import Calculate, ReadFile, SearchFiles
from .recipes import RESEARCHER

_RESEARCHER_SYSTEM: Final = (
    "You answer questions about the user's files. Search them before you answer, read further where a passage is not "
    "enough, and search again with other words before you give up. Calculate with the tool. Answer only from what the "
    "files say, and name the source of each fact as `path:lines`, as the search gives it. Where the files do not say "
    "it, say so, and mark what you know from elsewhere. Greetings and small talk need no search."
)
_ASSISTANT_SYSTEM: Final = "You are a helpful assistant."


class _Agent(FnCallAgent):  # type: ignore[misc]
    """Qwen-Agent's agent with tools, without its document memory, which would create a folder and parse files."""

    mem = None
    is_told_files = True  # see `qwen.attachments`


def make_researcher(llm: dict[str, Any], root: Path, *, embedded: bool) -> BaseAgent:
    """Make the agent that `presets.researcher` returns. `embedded` shortens its results for the embedded model."""
    root = root.resolve()
    passages, names = (3, 20) if embedded else (6, 200)
    tools = [SearchFiles(root, passages), ReadFile(root, max_names=names), Calculate()]
    agent = _agent({**llm, "recipe": RESEARCHER} if embedded else llm, tools, _RESEARCHER_SYSTEM)
    return QwenAgent(
        agent, name="researcher", description="Searches and reads the files below the notebook, and cites them."
    )


def make_assistant(llm: dict[str, Any]) -> BaseAgent:
    """Make the agent that `presets.assistant` returns."""
    return QwenAgent(_agent(llm, [], _ASSISTANT_SYSTEM), name="assistant", description="Plain chat, without tools.")


def _agent(llm: dict[str, Any], tools: list[Any], system: str) -> Any:
    return _Agent(function_list=tools, llm=llm, system_message=system)
