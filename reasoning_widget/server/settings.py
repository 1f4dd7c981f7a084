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
    """The settings of `ReasoningApp`, which is what a configuration names."""

    store_path = Unicode(
        help="The SQLite file that keeps the sessions, for one server at a time. Default: in Jupyter's data folder."
    ).tag(config=True)
    agents = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="""Agents by name, "package.module:attribute", besides those of installed packages. The attribute is a
        BaseAgent class, a function without arguments that makes an agent, or a function that takes the prompt and
        yields steps or returns the answer.""",
    ).tag(config=True)
    llm = Dict(
        help="A Qwen-Agent model configuration for the agents that come with this package. Empty: look for a model."
    ).tag(config=True)
    max_runs = Int(4, min=1, help="How many runs go on at once, each in a process of its own; others wait.").tag(
        config=True
    )
    spare_workers = Int(
        1, min=0, help="How many processes stand ready for the next runs; each takes about 150 MB of memory."
    ).tag(config=True)
    idle_after = Float(
        900.0, min=0, help="Seconds after which a session leaves memory that nobody watches and in which nothing runs."
    ).tag(config=True)
    retention_days = Float(
        0.0, min=0, help="Days after which sessions are deleted that nobody has spoken in; 0 keeps them forever."
    ).tag(config=True)
    ping_interval = Float(
        30.0, min=0.1, help="Seconds between two heartbeats; a peer that misses two in a row is dropped."
    ).tag(config=True)
    max_messages_per_second = Float(
        100.0, min=1, help="How many messages one connection may send in a second; twice as many in a burst."
    ).tag(config=True)

    sharing = Enum(
        ["auto", "owner", "authorizer", "everyone"],
        "auto",
        help="""Who sees a session besides the user who began it: `owner`, nobody without a ticket; `authorizer`,
        whoever the server's authorizer lets, which is asked about each session; `everyone`, all users. `auto` is
        `owner` where the identity provider tells users apart, and `everyone` where all hold one token or password.""",
    ).tag(config=True)
    unowned = Unicode(
        help="""The name of the user who owns the sessions from before users were told apart. Empty: nobody. Default:
        the user to whom JupyterHub says that the server belongs."""
    ).tag(config=True)

    max_connections_per_user = Int(
        0, min=0, help="How many WebSockets a user may have open at once; 0 sets no limit, here and below."
    ).tag(config=True)
    max_sessions_per_user = Int(0, min=0, help="How many sessions a user may own.").tag(config=True)
    max_queued_per_user = Int(
        0, min=0, help="How many messages of a user may wait for their runs to begin, in all sessions together."
    ).tag(config=True)
    max_bytes_per_user = Int(
        0,
        min=0,
        help="""How many bytes the sessions of a user may take in the store, with what is attached to messages and what
        tools displayed. A run that is on is not cut short: what it says counts for the next message.""",
    ).tag(config=True)

    @property
    def server(self) -> ServerApp:
        """The server that this extends."""
        assert self.serverapp is not None
        return self.serverapp

    @default("store_path")
    def _default_store_path(self) -> str:
        return str(Path(jupyter_data_dir()) / "reasoning-widget" / "sessions.db")

    @default("unowned")
    def _default_unowned(self) -> str:
        return os.environ.get("JUPYTERHUB_USER", "")
