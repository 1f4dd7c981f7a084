"""Show transcripts in the output of myst-nb, such as a Jupyter Book.

myst-nb prefers a widget's live view to HTML, and then shows nothing. With this package installed, it prefers the saved
session to both. It finds this module by its entry point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from docutils import nodes

from .html import to_html
from .log import SESSION_MIME
from .reading import SessionFileError, read_session
from .saved import folded

if TYPE_CHECKING:
    from myst_nb.core.render import MimeData, NbElementRenderer

_FIRST: Final = 1
_WITHOUT_HTML: Final = ("latex", "text", "man", "texinfo", "xml", "pseudoxml", "gettext")
"""The builders of Sphinx that do not write HTML. They use the other formats of a transcript."""


class Transcripts:
    """A `myst_nb.core.render.MimeRenderPlugin` that renders saved sessions."""

    mime_priority_overrides: ClassVar[Sequence[tuple[str, str, int | None]]] = [
        ("*", SESSION_MIME, _FIRST),
        *((builder, SESSION_MIME, None) for builder in _WITHOUT_HTML),
    ]

    @staticmethod
    def handle_mime(
        renderer: NbElementRenderer,
        data: MimeData,
        inline: bool,
    ) -> list[nodes.Element] | None:
        """Return the transcript of a saved session; None for other types, and an empty list to use another format."""
        if data.mime_type != SESSION_MIME:
            return None
        html = _transcript(data.content)
        return [nodes.raw(text=html, format="html", classes=["output", "text_html"])] if html else []


def _transcript(content: Any) -> str:
    if not isinstance(content, str | bytes | Mapping):
        return ""
    try:
        file, _ = read_session(content)
    except SessionFileError:
        return ""
    return to_html(folded(file)) if file["events"] else ""
