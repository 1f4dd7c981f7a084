"""The Jupyter Server extension: sessions over WebSockets and REST."""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .extension import ReasoningApp  # noqa: PLC0415 (only a Jupyter Server needs it)

    return [{"module": "reasoning_widget.server", "app": ReasoningApp}]
