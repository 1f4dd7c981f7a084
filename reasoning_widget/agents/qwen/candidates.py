"""Find out which of the texts at top level is the answer.

Every text of a model may be the answer until another step follows, which makes it a thought. What the agent yields last
decides.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from .steps import ModelCall, OpenStep


class Candidates:
    """The texts of one run that may be the answer.

    Args:
        newest: Returns the text that the agent yielded last.
    """

    def __init__(self, newest: Callable[[], str]) -> None:
        self._newest = newest
        self._lock = threading.RLock()
        self._calls: list[ModelCall] = []
        self._texts: list[OpenStep] = []
        """Oldest first. All but the newest were followed by another step, and are shown as thoughts."""
        self.model_called = False
        """Whether a model was called at top level."""

    def begin(self, call: ModelCall) -> None:
        """Note that a model is called at top level."""
        with self._lock:
            self.model_called = True
            self.step_follows()
            self._calls.append(call)
            if len(self._calls) > 1:
                for each in self._calls:
                    each.run_in_parallel()

    @property
    def model_is_working(self) -> bool:
        """Whether a model is answering at top level."""
        return bool(self._calls)

    def end(self, call: ModelCall, text: OpenStep | None) -> None:
        """Note that a model has answered; `text`, a step that is still open, may be the answer of the run."""
        with self._lock:
            self._calls.remove(call)
            if text is not None:
                self.add(text)

    def discard(self, call: ModelCall) -> None:
        """Note that a model call failed."""
        with self._lock:
            if call in self._calls:
                self._calls.remove(call)

    def add(self, text: OpenStep) -> None:
        """Add a step that is still open and may be the answer."""
        with self._lock:
            self.step_follows()
            self._texts.append(text)

    def step_follows(self) -> None:
        """Show the texts so far as thoughts, because another step follows; the agent may still make one its answer."""
        with self._lock:
            for step in self._texts:
                if step.step["type"] == "final_answer":
                    step.step["type"] = "thought"
                    step.pause()
            self.update()

    def update(self) -> None:
        """Close the texts that cannot be the answer any more, because the agent has yielded another one."""
        if not self._texts or (len(self._texts) == 1 and self._texts[0].step["type"] == "final_answer"):
            return
        with self._lock:
            text = self._newest()
            for step in list(self._texts):
                if step.step["type"] == "thought" and not _ends_with(text, step):
                    step.close()
                    self._texts.remove(step)

    def choose(self, text: str, is_shown: Callable[[str], bool]) -> OpenStep | None:
        """Choose the answer at the end of the run, and close the other texts as thoughts.

        Args:
            text: The text that the agent yielded last.
            is_shown: Returns whether a text was shown before. The agent may put such texts before the answer;
                a text that was not shown is a part of the answer.

        Returns:
            The answer, still open; None if no text is the answer.
        """
        with self._lock:
            texts, self._texts = self._texts, []
            chosen = next((each for each in reversed(texts) if _is_answer(each, text, is_shown)), None)
            for each in texts:
                if each is not chosen:
                    each.step["type"] = "thought"
                    each.close()
            if chosen is not None:
                chosen.step["type"] = "final_answer"
            return chosen


def _is_answer(step: OpenStep, text: str, is_shown: Callable[[str], bool]) -> bool:
    if not text.strip():
        return step.step["type"] == "final_answer"
    content = str(step.step["content"]).strip()
    return _ends_with(text, step) and is_shown(text.strip().removesuffix(content))


def _ends_with(text: str, step: OpenStep) -> bool:
    content = str(step.step["content"]).strip()
    return bool(content) and text.strip().endswith(content)
