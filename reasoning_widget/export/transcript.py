"""The content of a transcript in the order of exports, for all formats."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any, Final, Literal, NamedTuple, NotRequired, cast

from ..fold import Transcript, TranscriptMessage, TranscriptRequest, TranscriptRun, find_run
from ..outputs import PICTURES, PLAIN, SVG, is_placeholder_text, outputs_of
from ..parts import attachments_of, part_as_text
from ..printed import without_sequences
from ..protocol import JSON, PLAIN_STEP_TYPES, LoggedPart, MimeBundle, ReasoningStep, RunStatus

TITLES = {
    "thought": "Thought",
    "tool_use": "Tool use",
    "tool_result": "Tool result",
    "final_answer": "Final answer",
    "error": "Error",
}

NO_QUESTION: Final = "What was asked is missing."

LONGEST: Final = 256 * 1024
"""The maximum length of a text in exports, in code points. Sessions do not contain longer texts."""

CONTENT: Final = "content"
"""The key of an image's content in exported prompts, in base64. Elsewhere, images have a reference only."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_NAMES: Final = {
    "vegalite": "a Vega-Lite chart",
    "vega": "a Vega chart",
    "plotly": "a Plotly chart",
    "bokeh": "a Bokeh chart",
    "geo+json": "a map",
    "widget-view": "a widget",
    "text/html": "a page",
    "application/pdf": "a PDF document",
    "application/javascript": "",
}
"""The names of outputs, by a part of their MIME type. Outputs with an empty name are never mentioned."""

_TEXTS: Final = ("text/markdown", "text/latex", "text/html", "application/json")
"""The formats that are not mentioned if another one is shown."""

_SILENT: Final = ("script", "style", "template", "title")
_NEW_LINE: Final = ("br", "p", "div", "tr", "li", "pre", "h1", "h2", "h3", "h4", "table")


def plain_text(text: str) -> str:
    """Remove control characters and escape sequences from a text."""
    return _CONTROL.sub("", without_sequences(text))


def drawn_text(text: str) -> str:
    """Return the text to draw: cut to `LONGEST`, without control characters and escape sequences."""
    return plain_text(text[:LONGEST])


class ExportedMessage(TranscriptMessage):
    """A prompt as it is exported."""

    speaker: NotRequired[str]
    """The name of the author, if the conversation has several."""


class Exchange(NamedTuple):
    """A prompt and its run."""

    message: ExportedMessage | None
    """The prompt; None if a file contains only the run."""
    run: TranscriptRun | None
    steps: Sequence[ReasoningStep]
    asides: list[ExportedMessage]
    """The messages that steered the run."""
    requests: list[TranscriptRequest]
    """The agent's requests."""


def exchanges(state: Transcript, message_id: str | None = None) -> Iterator[Exchange]:
    """Yield the prompts, or one of them, with their runs. Withdrawn prompts are omitted.

    If reasoning was off for a run, only the steps that the person saw are included.
    """
    several = len({author_id(message) for message in state["messages"]}) > 1
    for asked, run in _questions(state):
        if message_id not in (None, asked["id"] if asked else run and run["message_id"]):
            continue
        message = _exported(asked, several=several) if asked is not None else None
        if run is None:
            yield Exchange(message, None, [], [], [])
            continue
        steps = [state["steps"][step_id] for step_id in run["steps"]]
        if not run["enable_reasoning"]:
            steps = [step for step in steps if step["type"] in PLAIN_STEP_TYPES]
        steered = [other for other in state["messages"] if other["steered"] and other["run_id"] == run["run_id"]]
        asides = [_exported(other, several=several) for other in steered]
        requests = [request for request in state["requests"].values() if request["run_id"] == run["run_id"]]
        yield Exchange(message, run, steps, asides, requests)


def author_id(message: TranscriptMessage) -> str | None:
    """Return the id of a message's author; None if it is unknown."""
    author = message.get("author")
    return str(author["id"]) if isinstance(author, dict) and "id" in author else None


def author_name(message: TranscriptMessage) -> str | None:
    """Return the name of a message's author; None if it is unknown."""
    author = message.get("author")
    name = author.get("name") if isinstance(author, dict) else None
    return name if isinstance(name, str) and name.strip() else None


def _exported(message: TranscriptMessage, *, several: bool) -> ExportedMessage:
    name = author_name(message) if several else None
    return cast("ExportedMessage", message if name is None else {**message, "speaker": name})


def _questions(state: Transcript) -> Iterator[tuple[TranscriptMessage | None, TranscriptRun | None]]:
    """Yield the prompts with their runs. A run whose prompt is missing is placed by its start."""
    asked = {message["run_id"] for message in state["messages"] if not message["steered"]}
    lost = [run for run in state["runs"] if run["run_id"] not in asked]
    for message in state["messages"]:
        if message["withdrawn"] or message["steered"]:
            continue
        run = find_run(state, message["run_id"]) if message["run_id"] else None
        while run is not None and lost and state["runs"].index(lost[0]) < state["runs"].index(run):
            yield None, lost.pop(0)
        yield message, run
    for run in lost:
        yield None, run


def in_order(
    steps: Sequence[ReasoningStep], requests: Sequence[TranscriptRequest]
) -> Iterator[tuple[ReasoningStep, None] | tuple[None, TranscriptRequest]]:
    """Yield the steps and requests of a run in the order of their start."""
    places = [_place_of(request, steps) for request in requests]
    for place in range(-1, len(steps)):
        if place >= 0:
            yield steps[place], None
        for request, behind in zip(requests, places, strict=True):
            if behind == place:
                yield None, request


def _place_of(request: TranscriptRequest, steps: Sequence[ReasoningStep]) -> int:
    """Return the index of the step before a request: its own step or the last one that had begun; -1 for none."""
    about = request.get("step_id")
    named = next((n for n, step in enumerate(steps) if step.get("id") == about is not None), -1)
    when = request.get("timestamp") or (-math.inf if named >= 0 else math.inf)  # a file may not say
    begun = (n for n, step in enumerate(steps) if step.get("timestamp", 0) <= when)
    return max(named, max(begun, default=-1))


def run_note(run: TranscriptRun | None) -> str | None:
    """Describe how a run ended, in a sentence; None if it was completed."""
    return status_note(run["status"]) if run is not None else None


def status_note(status: RunStatus | Literal["running"]) -> str | None:
    """Describe how a run with this status ended, in a sentence; None if it was completed."""
    if status == "completed":
        return None
    if status == "running":
        return "The run was still on when this was saved."
    return f"The run ended: {status.replace('_', ' ')}."


def request_note(request: TranscriptRequest) -> str:
    """Describe a request and its reply, in a sentence."""
    asked = f"The agent asked: {request['prompt']}"
    closed = request["closed"]
    if closed is None:
        return f"{asked} → not answered yet"
    if closed["reason"] != "answered":
        return f"{asked} → {closed['reason']}"
    value = closed.get("value")
    if request["kind"] == "approval":
        return f"{asked} → {'approved' if value is True else 'denied'}"
    return f"{asked} → {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def step_title(step: ReasoningStep) -> str:
    """Return the heading of a step: its type, tool and duration."""
    title = TITLES.get(step["type"], str(step["type"]).replace("_", " "))
    if "tool" in step:
        title += f": {step['tool']['name']}"
    if step.get("status") in ("failed", "stopped", "streaming"):
        title += f" ({'unfinished' if step['status'] == 'streaming' else step['status']})"
    if "duration" in step:
        title += f" · {_duration(step['duration'])}"
    return title


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)} ms" if seconds < 0.095 else f"{seconds:.1f} s"


class Piece(NamedTuple):
    """A part of a tool's arguments, output or result."""

    kind: Literal["code", "picture", "note"]
    text: str
    """The text; base64 for a picture."""
    mime: str = ""
    """The MIME type of a picture."""


def is_prose(step: ReasoningStep) -> bool:
    """Return whether a step is prose, unlike a tool's arguments, output or result."""
    return step["type"] not in ("tool_use", "tool_result")


def step_pieces(step: ReasoningStep) -> list[Piece]:
    """Return a tool's arguments, or its outputs in order and its result. The list is empty for prose.

    SVG drawings are included as pictures only, because browsers execute and fetch nothing within a picture.
    """
    if step["type"] == "tool_use":
        return [Piece("code", _arguments(step))]
    if step["type"] != "tool_result":
        return []
    pieces = [piece for bundle in outputs_of(step) for piece in _pieces_of(bundle)]
    return [*pieces, Piece("code", step["content"].strip())] if step["content"].strip() else pieces


def _arguments(step: ReasoningStep) -> str:
    tool: Mapping[str, Any] = step.get("tool") or {}
    arguments = str(tool.get("arguments", ""))
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return arguments


def _pieces_of(bundle: MimeBundle) -> Iterator[Piece]:
    """Yield the pieces of an output: its text, its picture, and the names of the formats that cannot be shown."""
    printed = _printed(bundle).strip("\n")
    picture = _picture_of(bundle)
    if printed:
        yield Piece("code", printed)
    if picture is not None:
        yield picture
    shown = {PLAIN, *(_TEXTS if printed or picture else ()), *((*PICTURES, SVG) if picture else ())}
    hidden = {_output_name(mime) for mime, value in bundle.items() if mime not in shown and not _is_left_out(value)}
    if names := ", ".join(sorted(hidden - {""})):
        yield Piece("note", _not_shown(names))


def _picture_of(bundle: MimeBundle) -> Piece | None:
    for mime in PICTURES:
        text = "".join(_text(bundle.get(mime)).split())
        if text and _BASE64.fullmatch(text):
            return Piece("picture", text, mime)
    drawing = _text(bundle.get(SVG))
    return Piece("picture", base64.b64encode(drawing.encode()).decode(), SVG) if "<svg" in drawing else None


def picture_note(piece: Piece) -> str:
    """Return the note that replaces a picture in an export without pictures."""
    return _not_shown(_output_name(piece.mime))


def _not_shown(name: str) -> str:
    return f"({name}: open the chat to see it)"


class SentPicture(NamedTuple):
    """An image in a prompt."""

    name: str
    mime: str
    encoded: str
    """Base64."""


def sent_pictures(message: TranscriptMessage | None) -> Iterator[SentPicture]:
    """Yield the images of a prompt whose contents are available."""
    for attachment in attachments_of(message or {}):
        text = _text(cast("JSON", attachment).get(CONTENT))
        if attachment["mime"] in PICTURES and text and _BASE64.fullmatch(text):
            yield SentPicture(attachment["name"], attachment["mime"], text)


def sent_notes(message: TranscriptMessage, *, pictures: bool = True) -> list[str]:
    """Return notes about the attachments of a prompt that an export does not show.

    Args:
        message: The prompt.
        pictures: Whether the export shows the images whose contents are available.
    """
    shown = {picture.name for picture in sent_pictures(message)} if pictures else ()
    parts: list[LoggedPart] = message.get("parts", [])
    attached = (part for part in parts if "text" not in part)
    return [part_as_text(part) for part in attached if not ("image" in part and part["image"]["name"] in shown)]


def _output_name(mime: str) -> str:
    if mime in PICTURES or mime == SVG:
        return f"a picture, {mime.removeprefix('image/').removesuffix('+xml').upper()}"
    return next((name for part, name in _NAMES.items() if part in mime), mime)


def _is_left_out(value: object) -> bool:
    return not value or (isinstance(value, dict) and isinstance(value.get("size"), int) and "blob" in value)


def _text(value: object) -> str:
    if isinstance(value, list):
        value = "".join(map(str, value))
    return value if isinstance(value, str) else ""


def raised_at(step: Mapping[str, Any]) -> str | None:
    """Return the place in an agent's code where a step's exception was raised; None if it is unknown."""
    raised = step.get("raised")
    where = raised.get("where") if isinstance(raised, dict) else None
    return where if isinstance(where, str) else None


def step_notes(step: Mapping[str, Any]) -> list[str]:
    """Return notes about omitted parts of a step, and the place of its exception."""
    cut = step.get("cut")
    left_out = sum(count for count in cut.values() if isinstance(count, int)) if isinstance(cut, dict) else 0
    notes = [f"{left_out:,} more characters were cut"] if left_out else []
    if (where := raised_at(step)) is not None:
        notes.append(f"Raised at {where}")
    scaled = step.get("scaled")
    notes.extend(
        f"A picture was made smaller; it was {size[0]} by {size[1]} pixels"
        for size in (scaled if isinstance(scaled, dict) else {}).values()
        if isinstance(size, list) and len(size) == 2
    )
    for bundle in outputs_of(step):
        for mime, value in bundle.items():
            if value and _is_left_out(value):
                notes.append(f"{value['size']:,} bytes of {mime} are not included")
    return notes


def _printed(bundle: MimeBundle) -> str:
    """Return an output as text."""
    for mime in (PLAIN, "text/markdown", "text/latex"):
        text = _text(bundle.get(mime))
        if text and not (mime == PLAIN and is_placeholder_text(bundle)):
            return text
    html = _text(bundle.get("text/html"))
    words = _Words(html).text() if html else ""
    data = bundle.get("application/json")
    if words or data is None or _is_left_out(data):
        return words
    return json.dumps(data, ensure_ascii=False, indent=2)


class _Words(HTMLParser):
    """Extracts the text of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self._parts: list[str] = []
        self._silent = 0
        self.feed(html)
        self.close()

    def text(self) -> str:
        return re.sub(r"\n\s*\n+", "\n", re.sub(r"[ \t]+", " ", "".join(self._parts))).strip()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._silent += tag in _SILENT
        if tag in _NEW_LINE:
            self._parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in _SILENT))
        if tag in ("td", "th"):
            self._parts.append("  ")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._parts.append(data)
