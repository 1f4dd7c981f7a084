"""Which of the texts at top level is the answer?

Whatever a model says there may be it, until something else shows that it was a thought on the way. The last word is the
agent's: the answer is what it yields in the end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from .steps import ModelCall, OpenStep


class Candidates:
    """The texts of one run that may turn out to be the answer.

    Args:
        newest: The text that the agent has yielded last.
    """

    def __init__(self, newest: Callable[[], str]) -> None:
        self._newest = newest
        self._lock = threading.RLock()
        self._calls: list[ModelCall] = []
        self._said: list[OpenStep] = []
        """Oldest first. All but the newest have been followed by something else, and look like thoughts."""
        self.asked = False
        """Whether a model was asked at top level."""

    def begin(self, call: ModelCall) -> None:
        """A model is asked at top level."""
        with self._lock:
            self.asked = True
            self.something_follows()
            self._calls.append(call)
            if len(self._calls) > 1:
                for each in self._calls:
                    each.beside_others()

    @property
    def awaited(self) -> bool:
        """Whether a model is at work at top level."""
        return bool(self._calls)

    def end(self, call: ModelCall, said: OpenStep | None) -> None:
        """That model is done, and `said`, still open, may be the answer."""
        with self._lock:
            self._calls.remove(call)
            if said is not None:
                self.add(said)

    def give_up(self, call: ModelCall) -> None:
        """That model has not come to an end."""
        with self._lock:
            if call in self._calls:
                self._calls.remove(call)

    def add(self, said: OpenStep) -> None:
        """`said`, still open, may be the answer."""
        with self._lock:
            self.something_follows()
            self._said.append(said)

    def something_follows(self) -> None:
        """What was said until now is a thought, unless the agent, which has yielded it, leaves it at that."""
        with self._lock:
            for step in self._said:
                if step.step["type"] == "final_answer":
                    step.step["type"] = "thought"
                    step.pause()
            self.heard()

    def heard(self) -> None:
        """The agent has yielded something."""
        if not self._said or (len(self._said) == 1 and self._said[0].step["type"] == "final_answer"):
            return
        with self._lock:
            text = self._newest()
            for step in list(self._said):
                if step.step["type"] == "thought" and not _ends_with(text, step):
                    step.close()
                    self._said.remove(step)

    def choose(self, text: str, was_seen: Callable[[str], bool]) -> OpenStep | None:
        """The run is over, and the agent has yielded `text`.

        Args:
            text: What the agent leaves it at.
            was_seen: Whether what stands in front of the answer in `text` was shown before. What was not is a part of
                the answer.

        Returns:
            The answer, still open; None if it was not said before.
        """
        with self._lock:
            said, self._said = self._said, []
            chosen = next((each for each in reversed(said) if _is(each, text, was_seen)), None)
            for each in said:
                if each is not chosen:
                    each.step["type"] = "thought"
                    each.close()
            if chosen is not None:
                chosen.step["type"] = "final_answer"
            return chosen


def _is(step: OpenStep, text: str, was_seen: Callable[[str], bool]) -> bool:
    if not text.strip():
        return step.step["type"] == "final_answer"
    said = str(step.step["content"]).strip()
    return _ends_with(text, step) and was_seen(text.strip().removesuffix(said))


def _ends_with(text: str, step: OpenStep) -> bool:
    said = str(step.step["content"]).strip()
    return bool(said) and text.strip().endswith(said)
