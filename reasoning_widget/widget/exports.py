"""Export a chat's conversation as text, pages, data and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ..conversation.base import Conversation
from ..session.thread import wait
from .arguments import check_agents

if TYPE_CHECKING:
    import pandas as pd
    from nbformat import NotebookNode

    from ..fold import Transcript


_T = TypeVar("_T")


class Exports:
    """The exports of `ReasoningChat`. Keys and tokens are masked in all formats that are meant to be read by people."""

    _conversation: Conversation

    def to_markdown(self) -> str:
        """Export the conversation as GitHub-flavoured Markdown, including pictures that tools displayed."""
        from ..export.markdown import to_markdown

        return to_markdown(self._masked(), pictures=True)

    def to_html(self) -> str:
        """Export the conversation as one self-contained HTML page, without scripts."""
        from ..export.html import to_page

        return to_page(self._masked())

    def to_json(self) -> str:
        """Export the conversation as JSON, with everything that `from_json` needs to restore it.

        Nothing is shortened or masked: check it before you publish it.
        """
        import msgspec

        return msgspec.json.encode(self._read(self._conversation.file)).decode()

    def to_frame(self) -> pd.DataFrame:
        """Export the conversation as a data frame with one row for each step. Nothing is masked.

        Raises:
            ImportError: pandas is not installed.
        """
        from ..export.frame import to_frame

        return self._read(lambda: to_frame(self._conversation.source.state))

    def to_notebook(self) -> NotebookNode:
        """Export the conversation as a notebook: Python that tools ran as code cells, everything else as Markdown.

        Write it to a file with nbformat.

        Raises:
            ImportError: nbformat is not installed.
        """
        from ..export.notebook import to_notebook

        return to_notebook(self._masked())

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any], agent: Any = None, **options: Any) -> Self:
        """Create a chat that continues an exported conversation.

        Parts of an edited file that cannot be read are left out, with a warning.

        Args:
            source: The return value of `to_json`, or the object that it encodes.
            agent: The agent to ask next; by default the agent of the last run, if there is one with that name.
            options: The same options as for `ReasoningChat`.

        Raises:
            SessionFileError: `source` is not an exported session, is incomplete, or has a newer version.
        """
        import warnings

        from ..agents.manager import AgentManager
        from ..export.reading import read_session

        file, notes = read_session(source)
        for note in notes:
            warnings.warn(note, stacklevel=2)
        check_agents(options.get("agents"))
        if agent is None:
            known = [info["name"] for info in (options.get("agents") or AgentManager()).list()]
            asked = [event["data"]["agent_name"] for event in file["events"] if event["type"] == "run_started"]
            agent = asked[-1] if asked and asked[-1] in known else "assistant"
        options.setdefault("session_id", file["session_id"])
        made: Any = cls
        chat: Self = made(agent, **options, _file=file)
        return chat

    def _read(self, what: Callable[[], _T]) -> _T:
        """Bring the conversation up to date, and return the result of `what` on the sessions' event loop.

        Raises:
            Disconnected: The conversation cannot be read.
        """

        async def read() -> _T:
            await self._conversation.refresh()
            return what()

        return wait(read())

    def _masked(self) -> Transcript:
        """Return the masked transcript."""
        from ..export.saved import masked

        source = self._conversation.source
        return self._read(lambda: masked(source.state, source.events_after(0), source.blob))
