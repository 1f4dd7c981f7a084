"""Steps that are extended by `append`: new text for one channel, instead of the whole text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, cast, get_args

from ..fold import channel_text, set_channel_text
from ..outputs import is_printed, outputs_of
from ..protocol import JSON, TERMINAL_STEP_STATUSES, AgentStep, Channel, Step, StepAppend
from .exceptions import AgentError

_CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
_ONLY_WHOLE: Final = ("content", "tool", "output", "outputs", "parent_id")
"""Fields that cannot be combined with `append`."""


class GrowingStep:
    """A step, and the texts that have been appended to it.

    Args:
        step: The step. This object changes it.

    Attributes:
        step: The step, without the texts that are not joined to it yet.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self._appended: dict[Channel, list[str]] = {}

    def append(self, channel: Channel, text: str) -> None:
        """Append `text`. The next `snapshot` joins it to the step."""
        self._appended.setdefault(channel, []).append(text)

    def snapshot(self) -> Step:
        """Return a copy of the step with all appended texts."""
        wire = cast("JSON", self.step)
        for channel, texts in self._appended.items():
            entry = _last_entry(wire) if channel == "output" else 0
            set_channel_text(wire, channel, channel_text(wire, channel, entry) + "".join(texts), entry)
        self._appended.clear()
        return self.step.copy()


class GrowingSteps:
    """The steps of one run, to which later steps can append."""

    def __init__(self) -> None:
        self._known: dict[str, GrowingStep] = {}

    def add(self, step: AgentStep) -> GrowingStep:
        """Add a step as an agent yields it, and return the step that it creates, replaces or extends.

        Raises:
            AgentError: The text cannot be appended; the error says why, and what to yield instead. Nothing is changed.
        """
        step_id = step.get("id", "")
        growing = _grow(self._known.get(step_id), step) if "append" in step else GrowingStep(step.copy())
        if step_id:
            self._known[step_id] = _without_texts(growing.step) if _is_closed(growing.step) else growing
        return growing


async def whole_steps(steps: AsyncIterator[AgentStep]) -> AsyncIterator[Step]:
    """Yield the steps of an agent, each whole: with all the text that was appended to it.

    Raises:
        AgentError: A step cannot be appended to.
    """
    growing = GrowingSteps()
    async for step in steps:
        yield growing.add(step).snapshot()


def _grow(growing: GrowingStep | None, step: StepAppend) -> GrowingStep:
    """Append to a known step, and copy the other fields of `step`, such as `status`, to it."""
    wire = cast("JSON", step)
    text, channel = wire["append"], wire.get("channel", "content")
    whole = [f"`{name}`" for name in _ONLY_WHOLE if name in wire]
    if not isinstance(text, str):
        problem = f"`append` is {type(text).__name__}, not a text"
    elif channel not in _CHANNELS:
        problem = f"the `channel` is {str(channel)[:60]!r}, not one of {', '.join(_CHANNELS)}"
    elif whole:
        problem = f"{' and '.join(whole)} cannot come with `append`: yield the whole step, or only the text to append"
    elif growing is None:
        problem = "no step with this `id` was yielded before: yield it first with its `content`, which may be empty"
    elif growing.step["type"] != wire["type"]:
        problem = f"the step is a {growing.step['type']}: append with that type, or yield the whole step to change it"
    elif _is_closed(growing.step):
        problem = f"the step is closed (`status` {growing.step.get('status')!r}): yield a step with a new `id`"
    elif channel == "arguments" and not _takes_arguments(growing.step):
        problem = "the step has no `tool` whose `arguments` are a text: yield the whole step with its `tool` first"
    else:
        growing.append(channel, text)
        rest = {name: value for name, value in wire.items() if name not in ("append", "channel")}
        cast("JSON", growing.step).update(rest)
        return growing
    raise AgentError(f"The agent appended to the {wire['type']} {str(wire.get('id'))[:60]!r}, but {problem}.")


def _is_closed(step: Step) -> bool:
    return step.get("status") in TERMINAL_STEP_STATUSES


def _without_texts(step: Step) -> GrowingStep:
    """Return what identifies the step as closed, so that its texts and pictures need not stay in memory."""
    return GrowingStep({"type": step["type"], "content": "", "status": step["status"]})


def _takes_arguments(step: Step) -> bool:
    tool = step.get("tool")
    return isinstance(tool, dict) and isinstance(tool.get("arguments", ""), str)


def _last_entry(step: JSON) -> int:
    """Return the index of the output to append to: the last one if it is only printed text, else a new one."""
    outputs = outputs_of(step)
    last = len(outputs) - 1
    return last if outputs and is_printed(outputs[last]) and isinstance(outputs[last]["text/plain"], str) else last + 1
