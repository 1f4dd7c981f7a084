"""The agents that are there from the start. Importing this loads nothing heavy; making an agent does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..local import server
from ..local.embedded import EmbeddedModel
from ..models import EMBEDDED, ModelChoice, choose_model, require
from ..tools.schemas import RESEARCHER_FUNCTIONS
from .recipes import RESEARCHER

if TYPE_CHECKING:
    from ..base import BaseAgent


def researcher(llm: dict[str, Any] | None = None, root: str | Path = ".") -> BaseAgent:
    """Searches and reads the files below the notebook, calculates, and says where its answers come from.

    Args:
        llm: A Qwen-Agent model configuration; see `reasoning_widget.models` for what is chosen without one.
        root: The folder whose files it may read.

    Raises:
        AgentError: There is no model that can answer; the text says what to do.
    """
    choice = choose_model(llm)
    require(choice)
    from ..qwen import import_qwen_agent

    import_qwen_agent()
    from .qwen_agents import make_researcher

    return make_researcher(choice.llm, Path(root), embedded=choice.llm.get("model_type") == EMBEDDED)


def assistant(llm: dict[str, Any] | None = None) -> BaseAgent:
    """Plain chat: answers from what the model knows, without tools.

    Args:
        llm: A Qwen-Agent model configuration; see `reasoning_widget.models` for what is chosen without one.

    Raises:
        AgentError: There is no model that can answer; the text says what to do.
    """
    choice = choose_model(llm)
    require(choice)
    from ..qwen import import_qwen_agent

    import_qwen_agent()
    from .qwen_agents import make_assistant

    return make_assistant(choice.llm)


def warm_up(choice: ModelChoice) -> None:
    """If the embedded model answers, start it in the background: the first question will not wait for that.

    Returns at once. What goes wrong is said when a question is asked.
    """
    if choice.llm.get("model_type") == EMBEDDED and choice.state == "ready" and server.is_installed():
        EmbeddedModel({**choice.llm, "recipe": RESEARCHER}).warm_up(RESEARCHER_FUNCTIONS)
