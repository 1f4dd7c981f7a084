"""Export a transcript as Markdown, and as the short plain text for terminals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ..fold import Transcript, TranscriptRun
from ..markdown.dialect import NOTE
from ..markdown.links import SAFE_LINK
from ..markdown.portable import to_portable
from ..markdown.tex import TooCostly, is_costly
from ..parts import message_as_text, sent_text
from ..protocol import ReasoningStep
from .transcript import (
    LONGEST,
    NO_QUESTION,
    ExportedMessage,
    Piece,
    drawn_text,
    exchanges,
    in_order,
    is_prose,
    picture_note,
    plain_text,
    request_note,
    run_note,
    sent_notes,
    sent_pictures,
    step_notes,
    step_pieces,
    step_title,
)

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_BRACKET: Final = re.compile(r"(?<!\\)((?:\\\\)*)([\[\]])")
"""A bracket that is not escaped."""
_DISPLAYED: Final = re.compile(r"\$\$|\\\\[\[(]|\\begin\{")
_MARKUP: Final = re.compile(r"(?:<|&lt;)[A-Za-z/!?]|!\\?\[|\]\(\s*<?\w+:|\]:")
"""Possible markup, if it were not in code; also in its defused form."""
_NO_NAME: Final = re.compile(r"[\[\]\\`!<>&$]")
"""The characters that may have a meaning in the description of a picture."""
_NESTING: Final = 40
"""The nesting depth from which the parser ignores markup."""
_DEEP: Final = 6
"""The nesting depth of quotes and lists from which parsers differ."""


def to_markdown(
    state: Transcript, message_id: str | None = None, notes: Sequence[str] = (), *, pictures: bool = False
) -> str:
    """Return the transcript, or one message and its run, as GitHub-flavoured Markdown.

    Raw HTML in the agents' text is shown as source, and remote pictures become links.

    Args:
        state: The transcript.
        message_id: The id of the message; None for all messages.
        notes: Remarks for the reader, in sentences.
        pictures: Whether to include the pictures of tools and prompts, as `data:` URLs. Otherwise notes mention them.
    """
    parts = [f"*{note}*" for note in notes]
    for message, run, steps, asides, requests in exchanges(state, message_id):
        shown = [f"data:{each.mime};base64,{each.encoded}" for each in sent_pictures(message) if pictures]
        parts.append(question_markdown(message, run, shown))
        parts.extend(_aside(aside) for aside in asides)
        for step, request in in_order(steps, requests):
            if step is not None:
                parts.append(step_markdown(step, _addresses(step) if pictures else None))
            elif request is not None:
                parts.append(f"*{one_line(request_note(request))}*")
        if ended := run_note(run):
            parts.append(f"*{ended}*")
    return "\n\n".join(parts) + "\n" if parts else ""


def _addresses(step: ReasoningStep) -> list[str]:
    return [f"data:{piece.mime};base64,{piece.text}" for piece in step_pieces(step) if piece.kind == "picture"]


def to_plain(state: Transcript, message_id: str | None = None) -> str:
    """Return the prompts and their answers as plain text."""
    parts: list[str] = []
    for message, run, steps, *_ in exchanges(state, message_id):
        speaker = f"{message['speaker']}: " if message and "speaker" in message else ""
        parts.append(_plain_quote(speaker + message_as_text(message)) if message else f"({NO_QUESTION})")
        parts.extend(plain_text(step["content"]) for step in steps if step["type"] in ("final_answer", "error"))
        if ended := run_note(run):
            parts.append(ended)
    return "\n\n".join(parts)


def question_markdown(message: ExportedMessage | None, run: TranscriptRun | None, shown: Sequence[str] = ()) -> str:
    """Return the Markdown of a prompt.

    Args:
        message: The prompt; None if it is missing.
        run: Its run.
        shown: The URLs of its `sent_pictures`, in order; if empty, the pictures are named in notes.
    """
    agent = f" → {one_line(str(run['agent_name']))}" if run else ""
    speaker = message.get("speaker", "You") if message is not None else "You"
    parts = [f"**{one_line(speaker)}{agent}**"]
    if message is None:
        return f"{parts[0]}\n\n*{NO_QUESTION}*"
    if text := sent_text(message):
        parts.append(_quoted(text))
    names = (one_line(_NO_NAME.sub("", picture.name)) for picture in sent_pictures(message))
    parts += [f"![{name}]({address})" for name, address in zip(names, shown, strict=False)]
    parts += [f"*{one_line(note)}*" for note in sent_notes(message, pictures=bool(shown))]
    return "\n\n".join(parts)


def step_markdown(step: ReasoningStep, shown: Sequence[str] | None = None, ran: tuple[str, str] | None = None) -> str:
    """Return the Markdown of a step.

    Args:
        step: The step.
        shown: The URLs of its pictures, in order; None to name the pictures in notes.
        ran: The code of the call and its language, to show instead of the call's arguments.
    """
    code, language = ran or (None, "")
    parts = [f"**{one_line(step_title(step))}**"]
    notes = step_notes(step)
    pieces = step_pieces(step) if code is None else [Piece("code", code)]
    if is_prose(step):
        parts.append(_defuse(drawn_text(step["content"])))
    elif not (pieces or notes):
        parts.append(_fenced(""))
    addresses = iter(shown or ())
    for piece in pieces:
        if piece.kind == "code":
            parts.append(_fenced(plain_text(piece.text)[:LONGEST], language))
        elif piece.kind == "picture" and shown is not None:
            parts.append(f"![Output of the tool]({next(addresses)})")
        else:
            note = piece.text if piece.kind == "note" else picture_note(piece)
            parts.append(f"*{one_line(note)}*")
    parts += [f"*{one_line(note)}*" for note in notes]
    return "\n\n".join(parts)


def text_markdown(text: str) -> str:
    """Return an agent's Markdown, such as its answer, defused as in an exported transcript."""
    return _defuse(drawn_text(text))


def _aside(message: ExportedMessage) -> str:
    speaker = f"**{one_line(message['speaker'])}**\n\n" if "speaker" in message else ""
    return speaker + _quoted(message["content"])


def _plain_quote(text: str) -> str:
    return "\n".join(f"> {line}" for line in plain_text(text).splitlines())


def _quoted(text: str) -> str:
    # Check it as a quote, because the prefix of each line changes the width of tabs.
    return _defuse("\n".join(f"> {line}" for line in drawn_text(text).split("\n")))


def one_line(text: str) -> str:
    """Return a text as one line of defused Markdown, for example for a heading."""
    line = " ".join(drawn_text(text).split())
    if is_costly(line):  # pages would find formulas even in escaped characters
        ticks = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
        return f"{ticks} {line} {ticks}"
    # For nbconvert, a formula that begins here could end within later code.
    if all(map(_is_harmless, _markdown().parseInline(line))) and not _DISPLAYED.search(line):
        return line
    return re.sub(r"[<\[\]$\\]", lambda sign: f"&#{ord(sign[0])};", line)


def _defuse(text: str) -> str:
    """Defuse Markdown: it contains no HTML, fetches nothing, and has no link that executes code.

    This holds within any document: no fence is left open, and no picture can be defined elsewhere.
    """
    try:
        text = to_portable(text)
    except TooCostly:
        return f"{_fenced(text)}\n\n*{NOTE}*"
    if not any(sign in text for sign in ("<", "[", "```", "~~~")):
        return text
    try:
        return _defuse_markup(text)
    except IndexError:  # a bug of markdown-it, for a quote in a list that ends with markup
        return _fenced(text)


def _defuse_markup(text: str) -> str:
    known: dict[str, Any] = {}
    tokens = _markdown().parse(text, known)
    defined = [*known.get("references", {}).values(), *known.get("duplicate_refs", [])]
    links = [reference["href"] for reference in defined]
    if not all(map(_is_harmless, tokens)) or not all(map(SAFE_LINK.match, links)) or _hidden_code(text, tokens):
        lines = text.split("\n")
        text = "\n".join(map(_defused, lines))
        # The ends of code are only known now, because defused markup may have ended elsewhere.
        tokens = _markdown().parse(text)
        code = _lines_of_code(tokens) - _hidden_code(text, tokens)
        text = "\n".join(line if number in code else _defused(line) for number, line in enumerate(lines))
    return text + _end_of_fence(text, tokens)


def _is_harmless(token: Token) -> bool:
    if token.type in ("html_block", "html_inline", "image") or token.level >= _NESTING - 2:
        return False
    if (token.type == "code_block" or token.level >= _DEEP) and _MARKUP.search(token.info + token.content):
        return False  # other parsers may not treat it as code
    if token.type == "text" and re.search(r"!\[|<[A-Za-z/!?]", token.content):
        return False  # its name may be defined elsewhere as a picture; and browsers accept incomplete tags
    if token.type == "link_open" and not SAFE_LINK.match(str(token.attrGet("href"))):
        return False
    inner = token.children or ()
    formulas = token.content.count("$") > 1 or _DISPLAYED.search(token.content)
    if formulas and any(child.type == "code_inline" and _MARKUP.search(child.content) for child in inner):
        return False  # nbconvert parses formulas first, and may find other code
    return all(map(_is_harmless, inner))


def _hidden_code(text: str, tokens: Sequence[Token]) -> set[int]:
    """Return the lines of fences that may be markup for programs that parse formulas first, such as nbconvert."""
    lines, code = text.split("\n"), _lines_of_code(tokens)
    if not any(_DISPLAYED.search(line) for number, line in enumerate(lines) if number not in code):
        return set()
    return {number for number in code if _MARKUP.search(lines[number])}


def _lines_of_code(tokens: Sequence[Token]) -> set[int]:
    """Return the numbers of the lines in fences, without the opening lines."""
    fences = [token.map for token in tokens if token.type == "fence" and token.map and token.level < _DEEP]
    return {line for start, end in fences for line in range(start + 1, end)}


def _end_of_fence(text: str, tokens: Sequence[Token]) -> str:
    """Return the line that closes a fence that the text leaves open; empty if there is none."""
    last = tokens[-1] if tokens else None
    if last is None or last.type != "fence" or not last.map:
        return ""
    end = text.split("\n")[last.map[1] - 1]
    sign = last.markup[0]
    closes = re.fullmatch(rf" {{0,3}}{sign}{{{len(last.markup)},}}[ \t]*", end) and last.map[1] - last.map[0] > 1
    return "" if closes else f"\n{last.markup}"


def _defused(line: str) -> str:
    """Escape all markup in a line."""
    return _BRACKET.sub(_as_entity, line.replace("<", "&lt;"))


def _as_entity(found: re.Match[str]) -> str:
    # After an escaped backslash, another backslash might begin a formula.
    return f"{found[1]}&#{ord(found[2])};" if found[1] else f"\\{found[2]}"


@cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": True, "maxNesting": _NESTING}).enable("table")
    markdown.validateLink = lambda url: True  # type: ignore[method-assign]
    return markdown


def _fenced(code: str, language: str = "") -> str:
    """Return `code` in a fence that is longer than any fence in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"
