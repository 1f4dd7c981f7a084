"""The Jupyter Server extension: sessions over WebSockets and REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .access import SessionResource

__all__ = ["SessionResource"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .access import SessionResource  # only a Jupyter Server needs it

    return SessionResource


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .extension import ReasoningApp  # only a Jupyter Server needs it

    return [{"module": "reasoning_widget.server", "app": ReasoningApp}]
