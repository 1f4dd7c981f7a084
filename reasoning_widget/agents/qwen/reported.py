"""Compare the messages that an agent yields with the steps that were shown, and show the rest.

Most messages repeat answers of models and results of tools that were shown before. The others are the agent's own, or
come from work that is not observed. Everything is shown once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from ...protocol import Step, ToolCall
from .candidates import Candidates
from .results import field, render
from .steps import ModelCall, OpenStep, Place, StepMaker

_MAX_NEW_PART = 0.5
"""A text of which more than this part is new is the agent's own."""


class ReportedMessages:
    """The messages that the agent of one run yields.

    Args:
        maker: Opens the steps.
        shown: Returns the steps that were shown at top level.
        place: Returns where the step of a message belongs.
        candidates: The texts that may be the answer.
        announce: Called with each tool call that the agent reports, because it may call the tool next.
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
        """How many of the messages are complete and were handled."""
        self._complete: dict[int, str] = {}
        """The complete messages, by their index."""
        self._written: list[str] = []
        """The texts of models, as they wrote them."""
        self._matched: set[str] = set()
        """The ids of calls and results that were shown and have been reported since."""
        self._growing: ModelCall | None = None

    def model_wrote(self, texts: list[str]) -> None:
        """Record what a model wrote at top level. It was shown, but not always literally."""
        self._written += texts

    def update(self, messages: list[Any]) -> None:
        """Show what is new in `messages`, all that the agent has yielded so far. The last message may still grow."""
        self._whole = min(self._whole, len(messages))  # fewer than before: the agent started over
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

    def finish(self, messages: list[Any], *, last_is_answer: bool = False) -> None:
        """Show what is new in `messages`, which are complete.

        Args:
            messages: All that the agent has yielded so far.
            last_is_answer: The last message is the answer, which the caller shows.
        """
        self.update(messages)
        if self._whole < len(messages) and (self._growing is not None or not last_is_answer):
            self._show(messages[self._whole], is_last=True)

    def is_shown(self, text: str) -> bool:
        """Return whether `text`, which precedes an answer, was shown before, or has no letters or digits."""
        text = text.strip()
        return not any(map(str.isalnum, text)) or any(piece in text or text in piece for piece in self._pieces())

    def _may_grow(self, message: Any) -> bool:
        return not self._candidates.model_called and (self._growing is not None or not self._is_known(message))

    def _close_growing(self) -> None:
        growing, self._growing = self._growing, None
        text = growing.finish() if growing is not None else None
        if text is not None:
            self._candidates.add(text)

    def _grow(self, message: Any) -> None:
        if self._growing is None:
            self._candidates.step_follows()
            self._growing = ModelCall(self._maker, self._place(message), self._announce)
        self._growing.update([message])

    def _show(self, message: Any, *, is_last: bool = False) -> None:
        """Show the next message, which is complete, unless it was shown before."""
        self._complete[self._whole] = repr(message)
        self._whole += 1
        role = field(message, "role")
        if role == "assistant":
            if self._growing is not None:
                self._growing.update([message])
                self._close_growing()
            elif not self._is_known(message, loosely=is_last):
                self._candidates.step_follows()
                call = ModelCall(self._maker, self._place(message), self._announce)
                call.run_in_parallel()  # it is not the last, and so not the answer
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
        """Return the id of the oldest call of that tool without a result."""
        steps = [step for step in self._shown() if step.get("tool", {}).get("name") == name]
        answered = {step["tool"].get("call_id") for step in steps if step["type"] == "tool_result"}
        uses = (step["tool"].get("call_id") for step in steps if step["type"] == "tool_use")
        return next((call_id for call_id in uses if call_id not in answered), None)

    def _is_known(self, message: Any, *, loosely: bool = False) -> bool:
        """Return whether the message was shown before.

        Args:
            message: The message.
            loosely: Whether it is enough that a part of it was shown.
        """
        if field(message, "function_call"):
            return self._find("tool_use", _name_of(message), _arguments_of(message)) is not None
        contents = (field(message, "reasoning_content"), field(message, "content"))
        texts = [text for content in contents if content and (text := render(content)[0].strip())]
        return all(self._is_text_known(text, loosely) for text in texts) if self._candidates.model_called else not texts

    def _is_text_known(self, text: str, loosely: bool) -> bool:
        """Return whether a text was shown, or consists of texts that were: some agents join them all."""
        pieces = self._pieces()
        if any(text in piece or (loosely and piece in text) for piece in pieces):
            return True
        rest = text
        for piece in sorted(pieces, key=len, reverse=True):
            rest = rest.replace(piece, "")
        return len(rest) <= len(text) * _MAX_NEW_PART

    def _pieces(self) -> list[str]:
        """Return all texts that were shown."""
        steps = [piece for step in self._shown() for piece in (step["content"], _arguments_in(step))]
        return [piece.strip() for piece in (*steps, *self._written) if piece.strip()]

    def _match(self, kind: str, name: str, arguments: str | None) -> bool:
        found = self._find(kind, name, arguments)
        if found is not None:
            self._matched.add(found["id"])
        return found is not None

    def _find(self, kind: str, name: str, arguments: str | None) -> Step | None:
        """Return a step of that kind that matches no other message, preferably with the same arguments."""
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
