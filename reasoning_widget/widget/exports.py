"""A chat's conversation as text, pages, data and notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from ..session.log import EventLog
from ..session.session import Session
from ..session.thread import on_loop
from .arguments import check_agents

if TYPE_CHECKING:
    import pandas as pd
    from nbformat import NotebookNode

    from ..export.log import SessionFile
    from ..fold import Transcript


class Exports:
    """What `ReasoningChat` can be written as. In what is made for people, keys and tokens are masked."""

    _session: Session
    _log: EventLog

    def to_markdown(self) -> str:
        """The conversation as GitHub-flavoured Markdown, with the pictures that tools displayed in it."""
        from ..export.markdown import to_markdown  # noqa: PLC0415 (exports are loaded when asked for)

        return to_markdown(self._masked(), pictures=True)

    def to_html(self) -> str:
        """The conversation as one page that needs nothing else: no script, nothing fetched from anywhere."""
        from ..export.html import to_page  # noqa: PLC0415

        return to_page(self._masked())

    def to_json(self) -> str:
        """The conversation as JSON, with everything that `from_json` needs to have it back.

        Nothing is cut and nothing is masked: look before you publish it.
        """
        import msgspec  # noqa: PLC0415

        return msgspec.json.encode(on_loop(self._file)).decode()

    def to_frame(self) -> pd.DataFrame:
        """The conversation as a data frame, one row a step. Nothing is masked.

        Raises:
            ImportError: pandas is not installed.
        """
        from ..export.frame import to_frame  # noqa: PLC0415

        return on_loop(lambda: to_frame(self._session.state))

    def to_notebook(self) -> NotebookNode:
        """The conversation as a notebook: Python that tools ran as cells, all else as Markdown. Write it with nbformat.

        Raises:
            ImportError: nbformat is not installed.
        """
        from ..export.notebook import to_notebook  # noqa: PLC0415

        return to_notebook(self._masked())

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any], agent: Any = None, **options: Any) -> Self:
        """A chat that has the conversation of an exported session, and can go on with it.

        What cannot be read of an edited file is left out, with a warning that says so.

        Args:
            source: What `to_json` returned, or the object in it.
            agent: Who is asked next; the agent of the last run if absent, where there is one of that name.
            options: As for `ReasoningChat`.

        Raises:
            SessionFileError: It is no exported session, it was cut off, or it is of a later version.
        """
        import warnings  # noqa: PLC0415

        from ..agents.manager import AgentManager  # noqa: PLC0415
        from ..export.reading import read_session  # noqa: PLC0415

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

    def _file(self) -> SessionFile:
        from ..export.log import complete_file  # noqa: PLC0415

        return complete_file(self._session.state, self._log)

    def _masked(self) -> Transcript:
        """The transcript, masked."""
        from ..export.saved import masked  # noqa: PLC0415

        session = self._session
        return on_loop(lambda: masked(session.state, session.events_after(0), session.blob))
