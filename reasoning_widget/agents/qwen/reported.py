"""What an agent yields, held against what was seen of its work.

Most of it was seen already: the model said it, a tool gave it. The rest the agent has made up itself, or has got in a
way that nobody sees. Each is shown once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from ...protocol import Step, ToolCall
from .candidates import Candidates
from .results import field, render
from .steps import ModelCall, OpenStep, Place, StepMaker

_MADE_UP = 0.5
"""A text with more than this part of its own is the agent's."""


class Reported:
    """The messages that the agent of one run yields.

    Args:
        maker: Opens the steps.
        shown: The steps at top level until now.
        place: Where a step of a message belongs.
        candidates: The texts that may be the answer.
        announce: Told of a tool call that the agent reports: the tool itself may be called now.
    """

    def __init__(
        self,
        maker: StepMaker,
        shown: Callable[[], Iterable[Step]],
        place: Callable[[Any], Place],
        candidates: Candidates,
        announce: Callable[[OpenStep], None],
    ) -> None:
        self._maker = maker
        self._shown = shown
        self._place = place
        self._candidates = candidates
        self._announce = announce
        self._whole = 0
        """How many of the messages are dealt with: they grow no more."""
        self._complete: dict[int, str] = {}
        """Those, by their places."""
        self._written: list[str] = []
        """What models have written, as they wrote it."""
        self._matched: set[str] = set()
        """The ids of the calls and results that were seen and, later, reported."""
        self._growing: ModelCall | None = None

    def model_wrote(self, texts: list[str]) -> None:
        """A model has written that at top level: it was shown, but not always as it stands."""
        self._written += texts

    def heard(self, messages: list[Any]) -> None:
        """The agent has yielded `messages`: all that it has to say until now. The newest is the last, and may grow."""
        self._whole = min(self._whole, len(messages))  # fewer: it began anew
        if self._whole and self._whole == len(messages) and self._complete[self._whole - 1] != repr(messages[-1]):
            self._whole -= 1
        while self._whole < len(messages):
            message = messages[self._whole]
            is_last = self._whole == len(messages) - 1
            if is_last and field(message, "role") == "assistant":
                if self._may_grow(message):
                    self._grow(message)
                return
            self._show(message)

    def finish(self, messages: list[Any], *, but_last: bool = False) -> None:
        """The messages are complete.

        Args:
            messages: All that the agent has yielded until now.
            but_last: The last is the answer, and is shown as such.
        """
        self.heard(messages)
        if self._whole < len(messages) and (self._growing is not None or not but_last):
            self._show(messages[self._whole], is_last=True)

    def was_seen(self, text: str) -> bool:
        """Whether `text`, in front of an answer, takes in what was seen before, or says nothing."""
        text = text.strip()
        return not any(map(str.isalnum, text)) or any(piece in text or text in piece for piece in self._pieces())

    def _may_grow(self, message: Any) -> bool:
        return not self._candidates.asked and (self._growing is not None or not self._is_known(message))

    def _close_growing(self) -> None:
        growing, self._growing = self._growing, None
        said = growing.finish() if growing is not None else None
        if said is not None:
            self._candidates.add(said)

    def _grow(self, message: Any) -> None:
        if self._growing is None:
            self._candidates.something_follows()
            self._growing = ModelCall(self._maker, self._place(message), self._announce)
        self._growing.update([message])

    def _show(self, message: Any, *, is_last: bool = False) -> None:
        """Show the next message, which is complete, unless it was seen."""
        self._complete[self._whole] = repr(message)
        self._whole += 1
        role = field(message, "role")
        if role == "assistant":
            if self._growing is not None:
                self._growing.update([message])
                self._close_growing()
            elif not self._is_known(message, loosely=is_last):
                self._candidates.something_follows()
                call = ModelCall(self._maker, self._place(message), self._announce)
                call.beside_others()  # it is not the last
                call.update([message])
                call.finish()
            if field(message, "function_call"):
                self._match("tool_use", _name_of(message), _arguments_of(message))
        elif role == "function":
            self._show_result(message)

    def _show_result(self, message: Any) -> None:
        name = str(field(message, "name") or "")
        if self._match("tool_result", name, None):
            return
        self._close_growing()
        result = self._maker.open("tool_result", self._place(message))
        result.step["content"], outputs = render(field(message, "content"))
        result.step["tool"] = ToolCall(name=name, call_id=self._call_of(name) or self._maker.call_id())
        if outputs:
            result.step["outputs"] = outputs
        self._matched.add(result.step["id"])
        result.close()

    def _call_of(self, name: str) -> str | None:
        """The id of the oldest call of that tool that has no result."""
        steps = [step for step in self._shown() if step.get("tool", {}).get("name") == name]
        answered = {step["tool"].get("call_id") for step in steps if step["type"] == "tool_result"}
        uses = (step["tool"].get("call_id") for step in steps if step["type"] == "tool_use")
        return next((call_id for call_id in uses if call_id not in answered), None)

    def _is_known(self, message: Any, *, loosely: bool = False) -> bool:
        """Whether what the message says was seen.

        Args:
            message: The message.
            loosely: It may still grow: it is enough that any of it was seen.
        """
        if field(message, "function_call"):
            return self._find("tool_use", _name_of(message), _arguments_of(message)) is not None
        contents = (field(message, "reasoning_content"), field(message, "content"))
        texts = [text for content in contents if content and (text := render(content)[0].strip())]
        return all(self._is_text_known(text, loosely) for text in texts) if self._candidates.asked else not texts

    def _is_text_known(self, text: str, loosely: bool) -> bool:
        """Whether it was seen, or made of what was seen: some agents put all into one text."""
        pieces = self._pieces()
        if any(text in piece or (loosely and piece in text) for piece in pieces):
            return True
        rest = text
        for piece in sorted(pieces, key=len, reverse=True):
            rest = rest.replace(piece, "")
        return len(rest) <= len(text) * _MADE_UP

    def _pieces(self) -> list[str]:
        """All texts that were seen."""
        steps = [piece for step in self._shown() for piece in (step["content"], _arguments_in(step))]
        return [piece.strip() for piece in (*steps, *self._written) if piece.strip()]

    def _match(self, kind: str, name: str, arguments: str | None) -> bool:
        found = self._find(kind, name, arguments)
        if found is not None:
            self._matched.add(found["id"])
        return found is not None

    def _find(self, kind: str, name: str, arguments: str | None) -> Step | None:
        """A step of that kind that no message was matched with; one with the very arguments first."""
        steps = [
            step
            for step in self._shown()
            if step["type"] == kind and step["tool"]["name"] == name and step["id"] not in self._matched
        ]
        same = (step for step in steps if step["tool"].get("arguments") == arguments)
        return next(same, steps[0] if steps else None)


def _name_of(message: Any) -> str:
    return str(field(field(message, "function_call"), "name") or "")


def _arguments_of(message: Any) -> str:
    arguments = field(field(message, "function_call"), "arguments") or ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _arguments_in(step: Step) -> str:
    return str(step.get("tool", {}).get("arguments") or "")
