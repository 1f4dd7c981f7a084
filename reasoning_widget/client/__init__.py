"""Take part in a server's session from a script, another program or another notebook."""

from __future__ import annotations

from .blocking import BlockingChat, BlockingQuestion
from .chat import Chat
from .errors import Disconnected, NotAllowed
from .following import Question
from .opening import connect

__all__ = ["BlockingChat", "BlockingQuestion", "Chat", "Disconnected", "NotAllowed", "Question", "connect"]
