"""The configuration of the Jupyter Server extension."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from traitlets import Dict, Enum, Float, Int, Unicode, default

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


class ReasoningSettings(ExtensionApp):
    """The settings of `ReasoningApp`."""

    store_path = Unicode(
        help="""The SQLite file in which sessions are stored. Only one server at a time may use it. By default, it is in
        Jupyter's data folder."""
    ).tag(config=True)
    agents = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="""Agents in addition to those of installed packages: "package.module:attribute" by name. The attribute is
        a subclass of BaseAgent, a function without arguments that returns an agent, or a function that takes the prompt
        and yields steps or returns the answer.""",
    ).tag(config=True)
    llm = Dict(
        help="The model of the included agents, as a Qwen-Agent configuration. If empty, a model is looked for."
    ).tag(config=True)
    max_runs = Int(4, min=1, help="The number of simultaneous runs, each of which is a process. Other runs wait.").tag(
        config=True
    )
    spare_workers = Int(
        1,
        min=0,
        help="The number of worker processes that are started in advance, each with about 150 MB of memory.",
    ).tag(config=True)
    idle_after = Float(900.0, min=0, help="Seconds before an idle, unwatched session is unloaded from memory.").tag(
        config=True
    )
    retention_days = Float(
        0.0, min=0, help="Days after its last message before a session is deleted. 0 keeps all sessions."
    ).tag(config=True)
    ping_interval = Float(
        30.0, min=0.1, help="Seconds between two heartbeats. A client that misses two in a row is disconnected."
    ).tag(config=True)
    max_messages_per_second = Float(
        100.0, min=1, help="The number of messages per second that a connection may send; twice as many in a burst."
    ).tag(config=True)

    sharing = Enum(
        ["auto", "owner", "authorizer", "everyone"],
        "auto",
        help="""Which users besides the owner may see a session: `owner`, none without a ticket; `authorizer`, those
        whom the server's authorizer allows to see this session; `everyone`, all users. `auto` is `owner` if the
        identity provider identifies users, and `everyone` if all users share one token or password.""",
    ).tag(config=True)
    unowned = Unicode(
        help="""The user who owns the sessions that were created before users were identified; nobody if empty. By
        default, it is the user for whom JupyterHub has started the server."""
    ).tag(config=True)

    max_connections_per_user = Int(
        0, min=0, help="The number of WebSockets that a user may have open. 0 means no limit, here and below."
    ).tag(config=True)
    max_sessions_per_user = Int(0, min=0, help="The number of sessions that a user may own.").tag(config=True)
    max_queued_per_user = Int(
        0, min=0, help="The number of messages that a user may have queued, in all sessions together."
    ).tag(config=True)
    max_bytes_per_user = Int(
        0,
        min=0,
        help="""The total size of a user's sessions in the store, in bytes, including attachments and what tools have
        displayed. The limit does not stop a run: what it writes counts when the next message is sent.""",
    ).tag(config=True)

    @property
    def server(self) -> ServerApp:
        """The server to which the extension belongs."""
        assert self.serverapp is not None
        return self.serverapp

    @default("store_path")
    def _default_store_path(self) -> str:
        return str(Path(jupyter_data_dir()) / "reasoning-widget" / "sessions.db")

    @default("unowned")
    def _default_unowned(self) -> str:
        return os.environ.get("JUPYTERHUB_USER", "")
