"""The base classes of agents, and what a run offers to its agent.

An agent yields steps and knows nothing of sessions or transports.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Final, Literal, NotRequired, TypedDict, cast

import msgspec

from ..compat.carried import carried
from ..parts import Prompt, as_message, as_text
from ..protocol import STEP_TYPES, AgentStep, MimeBundle, Part, Step
from .exceptions import AgentError, Stopped
from .growing import GrowingStep, GrowingSteps

DEFAULT_MAX_ITERATIONS = 20
"""The number of model calls that a run may make if its message sets no limit."""

_STEP_TYPE: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")

_MERGE_SECONDS = 0.01
"""Minimum seconds between two wake-ups of the event loop: one for each token would cost more than the token."""


class Turn(TypedDict):
    """An earlier prompt with its answer and its steps."""

    prompt: str
    """The prompt as text. Attachments appear by name."""
    parts: NotRequired[list[Part]]
    """The parts of the prompt, if it had attachments. When the attachments of a conversation become too many or too
    large, text parts with their names replace the older ones."""
    answer: str
    """The final answer; empty if the run ended without one."""
    steps: Sequence[Mapping[str, Any]]
    """The steps of its run, each a `ReasoningStep`."""


class _Request(TypedDict):
    """The argument of `RunContext.ask`."""

    kind: Literal["approval", "question"]
    options: NotRequired[list[Any] | None]
    details: NotRequired[dict[str, Any] | None]
    timeout: NotRequired[float | None]


def check_request(request: object) -> None:
    """Validate the argument of `RunContext.ask`.

    Raises:
        ValueError: It is invalid; the text says why.
    """
    kind = request.get("kind") if isinstance(request, Mapping) else None
    if kind not in ("approval", "question"):
        raise ValueError(f'the `kind` of a request is "approval" or "question", not {kind!r}: nobody was asked')
    try:
        msgspec.convert(request, _Request)
    except msgspec.ValidationError as error:
        raise ValueError(f"the request is invalid, and nobody was asked: {error}") from None


class RunContext:
    """What a run offers to its agent and its tools. Get it with `current_run`.

    This class is for agents that run without a session. A session uses a subclass.

    Attributes:
        run_id: The run's id.
        history: The earlier turns of the conversation.
        parts: The parts of the prompt, with their contents as `data:` URLs, whether or not the agent takes parts; empty
            if the prompt is only a text.
    """

    def __init__(
        self, run_id: str = "", history: list[Turn] | None = None, parts: Sequence[Part] | None = None
    ) -> None:
        self.run_id = run_id
        self.history: list[Turn] = history or []
        self.parts: list[Part] = list(parts or ())
        self._stop_lock = threading.Lock()
        self._stop_callbacks: list[Callable[[], None]] = []
        self._stopping = False

    @property
    def stopping(self) -> bool:
        """Whether the run was asked to stop. If so, return as soon as possible."""
        return self._stopping

    @contextlib.contextmanager
    def on_stop(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call `callback`, from another thread, if the run is stopped within the block.

        Use it to close whatever the agent is waiting for, such as a model's response. If the run is already stopping,
        the callback is called at once.
        """
        with self._stop_lock:
            now = self._stopping
            self._stop_callbacks.append(callback)
        if now:
            callback()
        try:
            yield
        finally:
            with self._stop_lock:
                self._stop_callbacks.remove(callback)

    def request_stop(self) -> None:
        """Ask the run to stop. Harmless when repeated."""
        with self._stop_lock:
            if self._stopping:
                return
            self._stopping = True
            callbacks = list(self._stop_callbacks)
        for callback in callbacks:
            with contextlib.suppress(Exception):  # the other callbacks must still be called
                callback()

    def ask(self, request: dict[str, Any]) -> Any:
        """Ask the person for an approval or an answer. Blocks in synchronous code; await it in asynchronous code.

        Args:
            request: `kind` (``"approval"`` or ``"question"``), `prompt`, and optionally `options` (the replies to
                choose from), `details` (a JSON object to show) and `timeout` in seconds.

        Returns:
            The reply: a boolean for an approval, a text for a question; None if nobody replied in time.

        Raises:
            Stopped: The run ended before a reply came.
            ValueError: The `kind` is unknown, or another field has the wrong type; the text says which. Nobody was
                asked.
            RuntimeError: Nobody can reply, because the run belongs to no session.
        """
        msg = "nobody can answer: this run belongs to no session"
        raise RuntimeError(msg)

    def steering(self) -> list[str]:
        """The messages that the person sent to this run. Pass them to the model; each is returned once."""
        return []

    def keep(self, value: object, step_id: str | None = None) -> None:
        """Keep a Python object for the person, in `chat.results`.

        Args:
            value: The object.
            step_id: The `id` of the step that it belongs to; if absent, the tool result that was opened last.
        """

    def capturing(self, on_outputs: Callable[[list[MimeBundle]], None]) -> AbstractContextManager[None]:
        """Capture what this thread prints and displays within the block.

        Args:
            on_outputs: Called with all outputs so far each time they change. Yield them as the `outputs` of a step.
        """
        return contextlib.nullcontext()

    def persons_figures(self) -> AbstractContextManager[None]:
        """Give pyplot access to the person's open figures within the block.

        Each tool call has its own pyplot figures, so that `plt.gcf()` never returns one of the person's. Use this in a
        tool that should look at the person's figures or draw into them. A figure that is created in the block is the
        person's, too, and is shown below the person's cell. On a server there are no figures of a person.
        """
        return contextlib.nullcontext()


_current: ContextVar[RunContext | None] = ContextVar("reasoning_widget_run", default=None)


def current_run() -> RunContext:
    """Return the current run; outside a run, a context without a session.

    If a thread pool does not propagate context variables, pass the run in a closure.
    """
    return _current.get() or RunContext()


@contextlib.contextmanager
def as_current_run(run: RunContext) -> Iterator[RunContext]:
    """Make `run` the current run within the block."""
    token = _current.set(run)
    try:
        yield run
    finally:
        _current.reset(token)


def propagate_run() -> AbstractContextManager[None]:
    """Propagate the current run into threads and pools that are used within the block."""
    return carried(_current)


@contextlib.contextmanager
def prompt_for(agent: BaseAgent, prompt: Prompt) -> Iterator[Any]:
    """Yield `prompt` as `agent` takes it. Within the block, `current_run` has its parts.

    Raises:
        ValueError: A part is invalid, cannot be read, or is rejected; the text says which and why.
    """
    message = as_message(prompt)
    run = _current.get() or RunContext(parts=None if isinstance(message, str) else message)
    with as_current_run(run):
        yield prompt_as_taken(agent, message)


def prompt_as_taken(agent: BaseAgent, message: str | list[Part]) -> str | list[Part]:
    """Return a prompt as `agent` takes it: with its parts, or as text."""
    return message if isinstance(message, str) or agent.takes_parts else as_text(message)


class BaseAgent(ABC):
    """The base class of agents. Subclass it and yield steps. An object serves one run at a time.

    Attributes:
        name: Shown on the steps and in the list of agents.
        description: One line for people who choose an agent.
        takes_parts: Whether the agent receives a prompt with attachments as a list of parts. Otherwise it receives a
            text that names them, and the parts are in `current_run().parts`.
    """

    name: str = "agent"
    description: str = ""
    takes_parts: bool = False

    @abstractmethod
    def run_with_reasoning_stream(
        self, prompt: str, max_iterations: int = DEFAULT_MAX_ITERATIONS
    ) -> AsyncIterator[AgentStep]:
        """Work on `prompt` and yield steps.

        To extend a step, yield it again with the same `id`, and either its whole `content` or the new text as `append`.

        Args:
            prompt: A text; or a list of parts, if the agent takes parts and the prompt has attachments. Earlier turns
                are in `current_run().history`.
            max_iterations: The number of model calls that the run may make.

        Raises:
            MaxIterationsReached: The model calls were used up without a final answer.
            AgentError: The agent cannot continue; the text says what the person can do.
        """

    async def run(self, prompt: Prompt) -> str:
        """Ask the agent without a chat.

        Args:
            prompt: A text, or a list of parts such as ``[{"text": "What is this?"}, {"image": "plot.png"}]``.

        Returns:
            The text of the last `final_answer`; empty if there is none.

        Raises:
            ValueError: A part is invalid, cannot be read, or is rejected; the text says which and why.
        """
        answer: GrowingStep | None = None
        steps = GrowingSteps()
        with prompt_for(self, prompt) as given:
            async for step in self.run_with_reasoning_stream(given):
                growing = steps.add(step)
                if growing.step["type"] == "final_answer" and "parent_id" not in growing.step:
                    answer = growing
        return answer.snapshot()["content"] if answer else ""

    def used_by(self, user: object) -> None:  # noqa: B027 (optional: most agents start nothing that outlives a run)
        """Register `user`, such as a chat, as a user of the agent.

        If the agent starts something that outlives a run, such as a server, it stops it once no user is left.
        """

    def explain(self, error: BaseException) -> str:
        """Explain an exception to the person: what went wrong and what to do about it. Keys are masked."""
        from .errors import redact  # loads the masker's rules

        if isinstance(error, AgentError):
            return redact(str(error))
        return redact(f"The agent raised {type(error).__name__}: {error}")


class BlockingAgent(BaseAgent):
    """The base class of agents whose work blocks its thread. Implement `run_blocking`."""

    @abstractmethod
    def run_blocking(self, prompt: str, max_iterations: int, emit: Callable[[AgentStep], None]) -> None:
        """Work on `prompt` and pass each step to `emit`. The run calls this in a thread of its own.

        `emit` can be called from any thread. It raises `Stopped` once the run has ended: let it propagate.

        Args:
            prompt: The prompt, as for `BaseAgent.run_with_reasoning_stream`.
            max_iterations: The number of model calls that the run may make.
            emit: Emits a step. A step with the same `id` replaces the earlier one.

        Raises:
            MaxIterationsReached: The model calls were used up without a final answer.
            AgentError: The agent cannot continue; the text says what the person can do.
        """

    async def run_with_reasoning_stream(
        self, prompt: Prompt, max_iterations: int = DEFAULT_MAX_ITERATIONS
    ) -> AsyncIterator[Step]:
        """Run `run_blocking` in a thread of its own and yield its steps. Closing the iterator stops the run.

        Args:
            prompt: A text, or a list of parts, as for `run`.
            max_iterations: The number of model calls that the run may make.

        Raises:
            ValueError: A part is invalid, cannot be read, or is rejected; the text says which and why.
        """
        loop = asyncio.get_running_loop()
        wake = asyncio.Event()
        outcome: list[BaseException | None] = []

        def post(callback: Callable[..., object], *args: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is waiting
                loop.call_soon_threadsafe(callback, *args)

        def finish(error: BaseException | None) -> None:
            outcome.append(error)
            wake.set()

        buffer = StepBuffer(lambda: post(wake.set))
        with prompt_for(self, prompt) as given:
            run = current_run()

        def work() -> None:
            with as_current_run(run):
                self.run_blocking(given, max_iterations, buffer.put)

        _in_thread(work, f"agent {self.name}", lambda error: post(finish, error))
        try:
            while not outcome:
                await wake.wait()
                wake.clear()
                for step in buffer.drain():
                    yield step
                if not outcome:
                    await asyncio.sleep(_MERGE_SECONDS)
            for step in buffer.drain():
                yield step
            if outcome[0] is not None:
                raise outcome[0]
        finally:
            if not outcome:
                buffer.close()
                run.request_stop()


def _in_thread(work: Callable[[], None], name: str, done: Callable[[BaseException | None], None]) -> None:
    """Run `work` in a daemon thread: a tool that never returns must not block the interpreter's exit."""

    def main() -> None:
        error: BaseException | None = None
        try:
            work()
        except asyncio.CancelledError as cancelled:  # the reader of the steps would take it for its own cancellation
            error = AgentError("The agent stopped because something that it awaited was cancelled. Ask again.")
            error.__cause__ = cancelled
        except BaseException as raised:  # noqa: BLE001 (raised again where the steps are read)
            error = raised
        done(error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(main,), name=name, daemon=True).start()


def check_step(step: object) -> AgentStep:
    """Validate a step, and return it.

    Types outside `STEP_TYPES` are accepted if they are well-formed. The views show such steps generically.

    Raises:
        AgentError: The step is invalid; the text says what is wrong with it and what a step looks like.
    """
    if not isinstance(step, dict):
        problem = f"yielded {type(step).__name__} {str(step)[:60]!r}, which is not a dictionary"
    elif not _is_step_type(step.get("type")):
        problem = f"yielded a step of the type {str(step.get('type'))[:60]!r}"
    elif "append" not in step and not isinstance(step.get("content"), str):
        problem = f"yielded a step whose `content` is {type(step.get('content')).__name__}, not a text"
    elif not isinstance(step.get("id", ""), str):
        problem = "yielded a step whose `id` is not a text"
    elif step.get("status", "done") not in ("streaming", "done", "failed", "stopped"):
        problem = f"yielded a step with the status {str(step['status'])[:60]!r}"
    else:
        return cast("AgentStep", step)
    msg = (
        f"The agent {problem}. Yield dictionaries such as "
        f'`{{"type": "thought", "content": "…"}}`; the types are {", ".join(STEP_TYPES)}, or one of your own in '
        "lower-case letters, digits, `_`, `-` and `.`."
    )
    raise AgentError(msg)


def _is_step_type(value: object) -> bool:
    return isinstance(value, str) and _STEP_TYPE.fullmatch(value) is not None


class StepBuffer:
    """Passes steps from the agent's thread to the event loop, and merges the updates of each step.

    `drain` returns only the latest snapshot of a step, except when the step has changed its type: then it returns both,
    because the order of thoughts and answers depends on the change. Texts that come as `append` are joined once for
    each `drain`.

    Waking the loop for every token would cost more than the token. So `notify` is called, in the agent's thread, only
    for the first step after a `drain`.
    """

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self._lock = threading.Lock()
        self._steps: list[GrowingStep] = []
        self._places: dict[object, int] = {}
        self._growing = GrowingSteps()
        self._closed = False

    def put(self, step: AgentStep) -> None:
        """Add a copy of `step`.

        Raises:
            Stopped: The buffer was closed.
            AgentError: It has `append`, but the step cannot be extended; the text says why.
        """
        with self._lock:
            if self._closed:
                raise Stopped
            first = not self._steps
            self._place(self._growing.add(step))
        if first:
            self._notify()

    def _place(self, growing: GrowingStep) -> None:
        """Add a step to the next `drain`, in place of an earlier snapshot of the same step."""
        key: object = growing.step.get("id") or id(growing)  # a step without an id is never replaced
        place = self._places.get(key)
        if place is not None and self._steps[place].step["type"] == growing.step["type"]:
            self._steps[place] = growing
        else:
            self._places[key] = len(self._steps)
            self._steps.append(growing)

    def drain(self) -> list[Step]:
        """Return the steps since the last call, in the order in which they were first put."""
        with self._lock:
            growing, self._steps, self._places = self._steps, [], {}
            return [each.snapshot() for each in growing]

    def close(self) -> None:
        """Close the buffer: from now on, `put` raises `Stopped`."""
        with self._lock:
            self._closed = True
