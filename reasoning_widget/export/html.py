"""Export a transcript as static HTML: without scripts, with inline styles, and readable even without them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from ..fold import Transcript
from ..markdown.html import to_html as markdown
from ..markdown.tex import is_costly
from ..parts import sent_text
from ..printed import coloured
from ..protocol import ReasoningStep
from .colours import css_of, css_of_block
from .transcript import (
    LONGEST,
    NO_QUESTION,
    ExportedMessage,
    Piece,
    drawn_text,
    exchanges,
    in_order,
    is_prose,
    request_note,
    run_note,
    sent_notes,
    sent_pictures,
    step_notes,
    step_pieces,
    step_title,
)

_HUES: Final = {
    "thought": "#1e88e5",
    "tool_use": "#fb8c00",
    "tool_result": "#8e24aa",
    "final_answer": "#43a047",
    "error": "#e53935",
}
"""The colours of the cards' left edges. The cards are filled with translucent tints of them, in all themes."""

_ALWAYS_OPEN: Final = ("final_answer", "error")

_PRINTED: Final = (
    "<style>@media print{details::details-content{content-visibility:visible!important;block-size:auto}}</style>"
)
"""Unfolds all cards for printing. This is the only style that is not inline."""

_NO_MATHJAX: Final = "mathjax_ignore tex2jax_ignore"
"""Classes that keep MathJax away: formulas are converted here, and other dollar signs are text."""

_PAGE_STYLE: Final = (
    ":root{color-scheme:light dark}body{max-width:60em;margin:2em auto;padding:0 1em;font-family:system-ui,sans-serif}"
    "pre{overflow-x:auto}table{border-collapse:collapse}th,td{border:1px solid #8888;padding:2px 8px}"
)
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def to_html(state: Transcript, message_id: str | None = None, notes: Sequence[str] = ()) -> str:
    """Return the transcript, or one message and its run, as a fragment of a page.

    Of the agents' Markdown, only formatting is kept, and no remote pictures: nothing is executed or fetched.

    Args:
        state: The transcript.
        message_id: The id of the message; None for all messages.
        notes: Remarks for the reader, in sentences.
    """
    parts = [f"<p><em>{escape(note)}</em></p>" for note in notes]
    for message, run, steps, asides, requests in exchanges(state, message_id):
        parts.append(_question(message) if message else _note(NO_QUESTION))
        parts.extend(_question(aside) for aside in asides)
        for step, request in in_order(steps, requests):
            if step is not None:
                parts.append(_step(step))
            elif request is not None:
                parts.append(_note(request_note(request)))
        if ended := run_note(run):
            parts.append(_note(ended))
    return f'<div class="{_NO_MATHJAX}" style="font-size:14px;line-height:1.5">{_PRINTED}{"".join(parts)}</div>'


def to_page(state: Transcript, notes: Sequence[str] = ()) -> str:
    """Return the transcript as a self-contained page."""
    title = escape(drawn_text(state["title"] or "A conversation"))
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title><style>{_PAGE_STYLE}</style>'
    )
    body = f"<h1>{title}</h1>{to_html(state, notes=notes)}"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'


def _question(message: ExportedMessage) -> str:
    asked = _words(sent_text(message)).replace("\n", "<br>")
    speaker = ""
    if "speaker" in message:
        speaker = f'<p style="margin:12px 0 -6px"><small>{_words(message["speaker"])}</small></p>'
    text = f'<p style="white-space:pre-wrap;margin:12px 0 6px"><strong>{asked}</strong></p>' if asked else ""
    pictures = (
        f'<p><img alt="{escape(drawn_text(picture.name))}" src="data:{picture.mime};base64,{picture.encoded}" '
        'style="max-width:100%;max-height:24em"></p>'
        for picture in sent_pictures(message)
    )
    return speaker + text + "".join(pictures) + "".join(map(_note, sent_notes(message)))


def _note(text: str) -> str:
    return f"<p><em>{_words(text)}</em></p>"


def _words(text: str) -> str:
    """Escape a plain text. If it looks like a costly formula, mark it as code, which formula renderers skip."""
    shown = drawn_text(text)
    return f'<code style="font:inherit">{escape(shown)}</code>' if is_costly(shown) else escape(shown)


def _step(step: ReasoningStep) -> str:
    hue = _HUES.get(step["type"], "#757575")
    opened = " open" if step["type"] in _ALWAYS_OPEN or step.get("status") == "failed" else ""
    style = f"border-left:3px solid {hue};background:{hue}1f;border-radius:4px;padding:4px 12px;margin:6px 0"
    summary = f'<summary style="cursor:pointer"><b>{_words(step_title(step))}</b></summary>'
    return f'<details{opened} style="{style}">{summary}{_body(step)}{"".join(map(_note, _notes(step)))}</details>'


def _body(step: ReasoningStep) -> str:
    if is_prose(step):
        return markdown(drawn_text(step["content"]))
    return "".join(map(_piece, step_pieces(step) or [Piece("code", "")]))


def _piece(piece: Piece) -> str:
    if piece.kind == "note":
        return _note(piece.text)
    if piece.kind == "picture":
        source = f"data:{piece.mime};base64,{piece.text}"
        return f'<p><img alt="Output of the tool" src="{source}" style="max-width:100%"></p>'
    spans = list(coloured(piece.text[:LONGEST]))
    paper = css_of_block(look for _, look in spans) or "background:none"
    words = "".join(_span(drawn_text(text), css_of(look)) for text, look in spans)
    return f'<pre style="white-space:pre-wrap;overflow-wrap:anywhere;{paper}">{words}</pre>'


def _span(words: str, css: str) -> str:
    return f'<span style="{css}">{escape(words)}</span>' if css else escape(words)


def _notes(step: ReasoningStep) -> list[str]:
    codes = [piece.text for piece in step_pieces(step) if piece.kind == "code"]
    longer = sum(max(0, len(text) - LONGEST) for text in ([step["content"]] if is_prose(step) else codes))
    return [*([f"{longer:,} more characters are not shown"] if longer > 0 else []), *step_notes(step)]
