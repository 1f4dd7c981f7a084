"""The included agents. Importing this loads nothing heavy; making an agent does."""

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
    """Searches and reads the files below the notebook, calculates, and names the sources of its answers.

    Args:
        llm: A Qwen-Agent model configuration; without one, a model is chosen as described in `reasoning_widget.models`.
        root: The folder that contains the files it may read.

    Raises:
        AgentError: No model is available; the text says what to do.
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
        llm: A Qwen-Agent model configuration; without one, a model is chosen as described in `reasoning_widget.models`.

    Raises:
        AgentError: No model is available; the text says what to do.
    """
    choice = choose_model(llm)
    require(choice)
    from ..qwen import import_qwen_agent

    import_qwen_agent()
    from .qwen_agents import make_assistant

    return make_assistant(choice.llm)


def warm_up(choice: ModelChoice) -> None:
    """If the embedded model was chosen, start it in the background, so that the first answer comes sooner.

    Returns at once. Errors are reported when the model is asked.
    """
    if choice.llm.get("model_type") == EMBEDDED and choice.state == "ready" and server.is_installed():
        EmbeddedModel({**choice.llm, "recipe": RESEARCHER}).warm_up(RESEARCHER_FUNCTIONS)
