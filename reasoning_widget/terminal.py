"""Draw steps in a terminal, as cards in five colours; without a terminal, as plain text without control characters."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Self

import typer
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.filesize import decimal
from rich.live import Live
from rich.panel import Panel
from rich.segment import Segment
from rich.text import Text

from .export.log import is_reference
from .export.transcript import TITLES, author_id, author_name, in_order, raised_at, request_note
from .fold import Transcript, TranscriptMessage, TranscriptRequest, find_run, is_open
from .markdown.terminal import TerminalMarkdown
from .outputs import PICTURES, PLAIN, is_placeholder_text, outputs_of
from .parts import message_as_text
from .printed import coloured, without_sequences
from .protocol import Author, MimeBundle, encode

_LOOKS: Final = {
    "thought": ("💭", "blue"),
    "tool_use": ("🔧", "dark_orange"),
    "tool_result": ("📄", "magenta"),
    "final_answer": ("✅", "green"),
    "error": ("⛔", "red"),
}
_LABEL: Final = 80  # code points
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Remove escape sequences and control characters, except line breaks and tabs."""
    return _CONTROL.sub("", without_sequences(text).replace("\r\n", "\n"))


def label(word: object) -> str:
    """Return an untrusted word, such as a type or a status, as one short line."""
    return " ".join(clean(str(word)).split())[:_LABEL]


class Drawing:
    """A context manager in which steps are drawn.

    Args:
        everything: Without a terminal, print everything to the standard output. Otherwise, only complete answers are
            printed there, and the rest goes to the standard error.
        reader: The user who reads the output; None if the server does not distinguish users.

    Attributes:
        live: Whether steps are drawn while they grow.
    """

    def __init__(self, *, everything: bool = False, reader: Author | None = None) -> None:
        self._reader = reader
        self._console = Console()
        self.live = self._console.is_terminal
        self._everything = everything
        self._open: dict[str, Mapping[str, Any]] = {}
        self._done: set[str] = set()
        self._introduced: set[str] = set()
        self._ended: set[str] = set()
        self._answered: set[str] = set()
        self._region = Live(console=self._console, transient=True)

    def __enter__(self) -> Self:
        if self.live:
            self._region.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Print the open steps in their current state, as stopped unless their run continues on a server."""
        cut = {"status": "stopped"} if kind is not None and not self._everything else {}
        for step in list(self._open.values()):
            self.done({**step, **cut})
        if self.live:
            self._region.stop()

    def show(self, step: Mapping[str, Any]) -> None:
        """Draw a step of a session. Call this each time it has changed."""
        if is_open(step):
            self.grow(step)
        else:
            self.done(step)

    def grow(self, step: Mapping[str, Any]) -> None:
        """Draw a step that is not complete yet."""
        self._open[step.get("id", "")] = step
        self._draw_open()

    def done(self, step: Mapping[str, Any]) -> None:
        """Draw a complete step. Repeated calls have no effect."""
        self._open.pop(step.get("id", ""), None)
        if step.get("id") in self._done:
            return
        if "id" in step:
            self._done.add(step["id"])
        self._draw_open(refresh=True)  # otherwise its open card would remain below the complete one for a moment
        if self.live:
            self._console.print(_card(step))
        elif step["type"] == "final_answer" and step.get("status") != "stopped" and not self._everything:
            _print(clean(step["content"]))
        else:
            shown = [clean(output.text) for output in _outputs(step)]
            self._print_line(f"{_title(step)}: " + "\n".join(filter(None, [*shown, _text(step)])))

    def catch_up(self, state: Transcript) -> None:
        """Draw everything that has happened in a session, in order."""
        for run in state["runs"]:
            self._introduce(state, run["run_id"])
            steps = [state["steps"][step_id] for step_id in run["steps"]]
            asked = [request for request in state["requests"].values() if request["run_id"] == run["run_id"]]
            for step, request in in_order(steps, asked):
                if step is not None:
                    self.show(step)
                elif request is not None:
                    self._print_request(request)
            self.change(state, "run", run["run_id"])

    def change(self, state: Transcript, kind: str, name: str) -> None:
        """Draw a change of a session, as reported by `Following`."""
        if kind == "step" and name in state["steps"]:
            step = state["steps"][name]
            self._introduce(state, step.get("run_id", ""))
            self.show(step)
        elif kind == "request" and name not in self._answered:
            self._introduce(state, state["requests"][name]["run_id"])
            self._print_request(state["requests"][name])
        elif kind == "run":
            self._introduce(state, name)
            run = find_run(state, name)
            if run is not None and run["status"] not in ("running", "completed") and name not in self._ended:
                self._ended.add(name)
                self._print_line(f"The run ended: {label(run['status'])}.")

    def request(self, request: TranscriptRequest) -> Any:
        """Ask the person to reply to a request of the agent; None if this is not an interactive terminal."""
        prompt = clean(request["prompt"])
        if not (self.live and sys.stdin.isatty()):
            typer.echo(f"The agent asks, and waits until somebody answers elsewhere: {prompt}", err=True)
            return None
        self._region.stop()
        try:
            if request["kind"] == "approval":
                return typer.confirm(prompt)
            options = ", ".join(clean(option) for option in request.get("options", []))
            return typer.prompt(f"{prompt} ({options})" if options else prompt)
        finally:
            self._region.start()

    def _print_request(self, request: TranscriptRequest) -> None:
        """Print a request, or how it was closed."""
        if request["closed"] is None:
            self._print_line(f"The agent asks: {clean(request['prompt'])}")
        else:
            self._answered.add(request["request_id"])
            self._print_line(clean(request_note(request)))

    def _introduce(self, state: Transcript, run_id: str) -> None:
        """Print the prompt of a run, before its first step."""
        run = find_run(state, run_id)
        if run is None or run_id in self._introduced:
            return
        self._introduced.add(run_id)
        asked = next((each for each in state["messages"] if each["id"] == run["message_id"]), None)
        who, question = (self._speaker(asked), clean(message_as_text(asked))) if asked else ("You", "")
        self._print_line(f"{who} → {clean(run['agent_name'])}: {question}", style="bold")

    def _speaker(self, message: TranscriptMessage) -> str:
        """Return the name of a message's author, or "You" for the reader."""
        own = self._reader is not None and author_id(message) == self._reader["id"]
        name = None if own else author_name(message)
        return label(name) if name is not None else "You"

    def _print_line(self, text: str, style: str = "dim") -> None:
        if self.live:
            self._console.print(Text(text, style=style))
        elif self._everything:
            _print(text)
        else:
            typer.echo(text, err=True)

    def _draw_open(self, *, refresh: bool = False) -> None:
        if self.live:
            self._region.update(_LastLines(_card(step) for step in self._open.values()), refresh=refresh)


class _LastLines:
    """The last lines of the cards, as many as fit on the screen, because lines above it cannot be redrawn."""

    def __init__(self, cards: Iterable[Panel]) -> None:
        self._cards = Group(*cards)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._cards, options, pad=False)
        for line in lines[-options.size.height :]:
            yield from line
            yield Segment.line()


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _card(step: Mapping[str, Any]) -> Panel:
    icon, colour = _LOOKS.get(str(step["type"]), ("•", "white"))
    text = _text(step)
    body: Any = TerminalMarkdown(text) if step["type"] in {"thought", "final_answer"} else Text(text)
    if outputs := _outputs(step):
        body = Group(*map(_drawn, outputs), *([body] if text else []))
    took = step.get("duration")
    seconds = f" · {took:.1f} s" if isinstance(took, int | float) and took else ""
    # A `Text`, because brackets in a string would be markup.
    return Panel(body, title=Text(f"{icon} {_title(step)}{seconds}"), title_align="left", border_style=colour)


def _title(step: Mapping[str, Any]) -> str:
    title = TITLES.get(str(step["type"])) or label(step["type"])
    ended = step.get("status")
    return f"{title} ({ended})" if ended in ("failed", "stopped") and step["type"] != "error" else title


def _text(step: Mapping[str, Any]) -> str:
    if (where := raised_at(step)) is not None:
        return clean(f"{step['content']} (Raised at {where}.)")
    if step["content"] or "tool" not in step or outputs_of(step):
        return clean(step["content"])
    return clean(f"{step['tool']['name']}({step['tool'].get('arguments', '')})")


# Outputs of tools -------------------------------------------------------------------------------------------------


class _Output(NamedTuple):
    kind: Literal["printed", "markdown", "name"]
    text: str


def _outputs(step: Mapping[str, Any]) -> list[_Output]:
    """Return a tool's outputs in order: texts, and the names and sizes of outputs that a terminal cannot show."""
    return [each for bundle in outputs_of(step) for each in _formats_of(bundle)]


def _formats_of(bundle: MimeBundle) -> Iterator[_Output]:
    texts = {mime: value for mime, value in bundle.items() if mime in _TEXTS and isinstance(value, str) and value}
    if is_placeholder_text(bundle):
        texts.pop(PLAIN, None)
    chosen = next((mime for mime in _TEXTS if mime in texts), None)
    if chosen is not None:
        yield _Output("markdown" if chosen == _MARKDOWN else "printed", texts[chosen].strip("\n"))
    stood_for = (*_TEXTS, _HTML) if chosen is not None else (PLAIN,)
    for mime, value in bundle.items():
        if value and mime not in stood_for:
            yield _Output("name", f"[{label(mime)}, {decimal(_size(mime, value))}]")


def _size(mime: str, value: Any) -> int:
    """Return the size of a value of an output, in bytes."""
    if is_reference(value):
        size = value.get("size")
        return size if isinstance(size, int) else 0
    if isinstance(value, str):
        return len(value) * 3 // 4 if mime in PICTURES else len(value.encode(errors="replace"))
    return len(encode(value))


def _drawn(output: _Output) -> RenderableType:
    if output.kind == "markdown":
        return TerminalMarkdown(clean(output.text))
    if output.kind == "name":
        return Text(output.text, style="dim")
    # The text is rebuilt, so that the terminal gets only known colours and styles, and no other escape sequence.
    pieces = (f"\x1b[0;{';'.join(look.values())}m{clean(words)}" for words, look in coloured(output.text))
    return Text.from_ansi("".join(pieces))


_MARKDOWN: Final = "text/markdown"
_HTML: Final = "text/html"
_TEXTS: Final = (_MARKDOWN, PLAIN, "text/latex")
"""The formats of an output that are shown, by preference."""
