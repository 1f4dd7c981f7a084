"""What exports show of a transcript, in order."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Container, Iterator
from html.parser import HTMLParser
from typing import Final, NamedTuple, cast

from ..bundles import PICTURES, SVG, mime_of, number_of
from ..fold import Transcript, find_run
from ..parts import attachments_of, part_in_words
from ..protocol import JSON, PLAIN_STEP_TYPES, LoggedPart

TITLES = {
    "thought": "Thought",
    "tool_use": "Tool use",
    "tool_result": "Tool result",
    "final_answer": "Final answer",
    "error": "Error",
}

NO_QUESTION: Final = "What was asked is missing."

LONGEST: Final = 256 * 1024
"""Code points of a text that are shown. No session of ours holds a longer one."""

CONTENT: Final = "content"
"""Where an image of a prompt has its content, as base64, in what is exported; elsewhere it is only referred to."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_TEXTS: Final = ("text/plain", "text/markdown", "text/latex", "text/html")
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
"""What outputs are called, by a part of their MIME type; those without a name are never shown."""

_SILENT: Final = ("script", "style", "template", "title")
_NEW_LINE: Final = ("br", "p", "div", "tr", "li", "pre", "h1", "h2", "h3", "h4", "table")


def drawn_text(text: str) -> str:
    """What of a text is drawn. Control characters have no place on a page."""
    return _CONTROL.sub("", text[:LONGEST])


class Exchange(NamedTuple):
    """A question and what came of it."""

    message: JSON | None
    """None: a file has the run without it."""
    run: JSON | None
    steps: list[JSON]
    asides: list[JSON]
    """The messages that were handed to the run while it was on."""
    requests: list[JSON]
    """What the agent asked the person, and how that ended."""


def exchanges(state: Transcript, message_id: str | None = None) -> Iterator[Exchange]:
    """The questions that were asked, or only one of them; those that were taken back are left out.

    Steps that the person chose not to see, because reasoning was off, are left out too.
    """
    for message, run in _questions(state):
        if message_id not in (None, message["id"] if message else run and run["message_id"]):
            continue
        if run is None:
            yield Exchange(message, None, [], [], [])
            continue
        steps = [state["steps"][step_id] for step_id in run["steps"]]
        if not run["enable_reasoning"]:
            steps = [step for step in steps if step["type"] in PLAIN_STEP_TYPES]
        asides = [other for other in state["messages"] if other["steered"] and other["run_id"] == run["run_id"]]
        requests = [request for request in state["requests"].values() if request["run_id"] == run["run_id"]]
        yield Exchange(message, run, steps, asides, requests)


def _questions(state: Transcript) -> Iterator[tuple[JSON | None, JSON | None]]:
    """The messages with their runs. A run whose message is missing stands where it began."""
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


def run_note(run: JSON | None) -> str | None:
    """How a run ended that did not simply end, in a sentence."""
    if run is None or run["status"] == "completed":
        return None
    if run["status"] == "running":
        return "The run was still on when this was saved."
    return f"The run ended: {str(run['status']).replace('_', ' ')}."


def request_note(request: JSON) -> str:
    """What the agent asked the person, and what became of it, in a sentence."""
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


def step_title(step: JSON) -> str:
    """A step's heading: what it is, the tool, and how long it took."""
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


def step_code(step: JSON) -> str | None:
    """What of a step is data rather than prose: a call's arguments, a tool's result. None for prose."""
    if step["type"] == "tool_use":
        arguments = str((step.get("tool") or {}).get("arguments", ""))
        try:
            return json.dumps(json.loads(arguments), ensure_ascii=False, indent=2)
        except (ValueError, RecursionError):
            return arguments
    if step["type"] == "tool_result":
        return "\n".join(text for text in (_printed(step.get("output") or {}), step["content"]) if text).strip()
    return None


def step_pictures(step: JSON) -> Iterator[tuple[str, str]]:
    """The pictures that a tool displayed, in order: their keys in the bundle and their base64.

    Nothing else is ever passed on. A drawing (SVG) is safe as a picture: within one, no browser runs scripts or fetches
    anything.
    """
    output = step.get("output") or {}
    order = (*PICTURES, SVG)
    for key in sorted((key for key in output if mime_of(key) in order), key=_place):
        value = _text(output[key])
        if mime_of(key) == SVG:
            if "<svg" in value:
                yield key, base64.b64encode(value.encode()).decode()
        elif (text := "".join(value.split())) and _BASE64.fullmatch(text):
            yield key, text


def _place(key: str) -> tuple[int, int]:
    return number_of(key), (*PICTURES, SVG).index(mime_of(key))


class SentPicture(NamedTuple):
    """An image in a prompt."""

    name: str
    mime: str
    encoded: str
    """Base64."""


def sent_pictures(message: JSON) -> Iterator[SentPicture]:
    """The images in a prompt whose contents are here."""
    for attachment in attachments_of(message):
        text = _text(cast("JSON", attachment).get(CONTENT))
        if attachment["mime"] in PICTURES and text and _BASE64.fullmatch(text):
            yield SentPicture(attachment["name"], attachment["mime"], text)


def sent_notes(message: JSON, *, pictures: bool = True) -> list[str]:
    """What was attached to a prompt that an export does not show, in words.

    Args:
        message: The prompt.
        pictures: Whether it shows the images whose contents are here.
    """
    shown = {picture.name for picture in sent_pictures(message)} if pictures else ()
    parts: list[LoggedPart] = message.get("parts", [])
    attached = (part for part in parts if "text" not in part)
    return [part_in_words(part) for part in attached if not ("image" in part and part["image"]["name"] in shown)]


def output_notes(step: JSON, shown: Container[str] = ()) -> list[str]:
    """What a tool displayed that an export does not show, in words.

    Args:
        step: The step.
        shown: The keys in the bundle of what it does.
    """
    output = step.get("output") or {}
    if _printed(output):
        shown = {*_TEXTS, "application/json"} | {mime for mime in output if mime in shown}
    hidden = {_output_name(mime) for mime, value in output.items() if mime not in shown and not _is_left_out(value)}
    return [f"({name}: open the chat to see it)" for name in sorted(hidden - {""})]


def _output_name(mime: str) -> str:
    mime = mime_of(mime)
    if mime in PICTURES or mime == SVG:
        return f"a picture, {mime.removeprefix('image/').removesuffix('+xml').upper()}"
    return next((name for part, name in _NAMES.items() if part in mime), mime)


def _is_left_out(value: object) -> bool:
    return not value or (isinstance(value, dict) and isinstance(value.get("size"), int) and "blob" in value)


def _text(value: object) -> str:
    if isinstance(value, list):
        value = "".join(map(str, value))
    return value if isinstance(value, str) else ""


def step_notes(step: JSON) -> list[str]:
    """What is missing of a step, in sentences."""
    cut = step.get("cut")
    left_out = sum(count for count in cut.values() if isinstance(count, int)) if isinstance(cut, dict) else 0
    notes = [f"{left_out:,} more characters were cut"] if left_out else []
    scaled = step.get("scaled")
    for mime, size in (scaled if isinstance(scaled, dict) else {}).items():
        if isinstance(size, list) and len(size) == 2:
            kind = mime_of(mime).removeprefix("image/")
            notes.append(f"The {kind} picture was made smaller; it was {size[0]} by {size[1]} pixels")
    for mime, value in (step.get("output") or {}).items():
        if value and _is_left_out(value):
            notes.append(f"{value['size']:,} bytes of {mime_of(mime)} are not included")
    return notes


def _printed(output: JSON) -> str:
    """What a tool printed or displayed, as text."""
    for mime in _TEXTS[:3]:
        if isinstance(output.get(mime), str):
            return str(output[mime])
    html = output.get("text/html")
    words = _Words(html).text() if isinstance(html, str) else ""
    data = output.get("application/json")
    if words or data is None or _is_left_out(data):
        return words
    return json.dumps(data, ensure_ascii=False, indent=2)


class _Words(HTMLParser):
    """The text of some HTML."""

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
