from __future__ import annotations

import asyncio
import copy
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial, wraps
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Application, Config

from reasoning_widget.agents import manager as manager_module
from reasoning_widget.agents.base import BaseAgent, RunContext, as_current_run
from reasoning_widget.agents.exceptions import AgentError
from reasoning_widget.agents.growing import whole_steps
from reasoning_widget.agents.manager import AgentManager, UnknownAgentError, as_agent
from reasoning_widget.protocol import Step


class Echo(BaseAgent):
    """Says it again.

    And nothing else.
    """

    def __init__(self, llm: dict[str, Any] | None = None) -> None:
        self.llm = llm

    async def run_with_reasoning_stream(self, prompt: str, max_iterations: int = 20) -> AsyncIterator[Step]:
        yield {"type": "final_answer", "content": prompt}


async def count(prompt: str, max_iterations: int) -> AsyncIterator[Step]:
    """Says how often it may ask a model."""
    yield {"type": "final_answer", "content": f"{prompt} {max_iterations}"}


async def greet(prompt: str) -> AsyncIterator[Step]:
    yield {"type": "thought", "content": "How nice."}
    yield {"type": "final_answer", "content": f"Hello {prompt}"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        [
            EntryPoint("echo", f"{__name__}:Echo", manager_module.ENTRY_POINT_GROUP),
            EntryPoint("far", "never_imported_module:agent", manager_module.ENTRY_POINT_GROUP),
        ]
    )
    monkeypatch.setattr(manager_module, "entry_points", lambda group: points.select(group=group))


pytestmark = pytest.mark.usefixtures("installed")


async def test_a_registered_agent_is_created_for_each_run() -> None:
    agents = AgentManager()
    agents.register("mine", Echo)

    first, second = agents.get("mine"), agents.get("mine")

    assert first is not second
    assert await first.run("Hm?") == "Hm?"


async def test_a_generator_function_can_be_registered_directly() -> None:
    agents = AgentManager()
    agents.register("counter", count)

    agent = agents.get("counter")

    assert (agent.name, agent.description) == ("counter", "Says how often it may ask a model.")
    assert [step["content"] async for step in whole_steps(agent.run_with_reasoning_stream("up to", 7))] == ["up to 7"]


def test_code_overrides_configuration_and_configuration_overrides_packages() -> None:
    config = Config({"AgentManager": {"agents": {"echo": f"{__name__}:greet", "counter": f"{__name__}:count"}}})
    agents = AgentManager(config=config)
    agents.register("counter", greet, "Greets.")

    assert agents.get("echo").name == "echo"
    assert agents.list() == [
        {"name": "counter", "description": "Greets."},
        {"name": "echo", "description": ""},
        {"name": "far", "description": ""},
    ]


def test_the_configuration_of_the_enclosing_program_is_used() -> None:
    program = Application.instance()
    try:
        program.update_config(Config({"AgentManager": {"agents": {"counter": f"{__name__}:count"}}}))

        assert AgentManager().get("counter").description == "Says how often it may ask a model."
    finally:
        Application.clear_instance()


def test_listing_describes_known_agents_and_imports_nothing() -> None:
    infos = {info["name"]: info["description"] for info in AgentManager().list()}

    assert infos == {"echo": "Says it again.", "far": ""}
    assert "never_imported_module" not in sys.modules


def test_our_own_agents_are_described(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        [EntryPoint("ours", "reasoning_widget.agents.base:BaseAgent", manager_module.ENTRY_POINT_GROUP)]
    )
    monkeypatch.setattr(manager_module, "entry_points", lambda group: points)

    assert AgentManager().list()[0]["description"].startswith("The base class of agents.")


def test_installed_packages_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    points = EntryPoints([EntryPoint("echo", f"{__name__}:Echo", manager_module.ENTRY_POINT_GROUP)])

    def look(group: str) -> EntryPoints:
        looks.append(group)
        return points

    monkeypatch.setattr(manager_module, "entry_points", look)
    agents = AgentManager()

    for _ in range(3):
        assert agents.list()
        agents.get("echo")

    assert looks == [manager_module.ENTRY_POINT_GROUP]


def test_an_unknown_name_lists_the_known_ones() -> None:
    agents = AgentManager()
    agents.register("mine", Echo)

    for ask in (agents.get, agents.check):
        with pytest.raises(UnknownAgentError, match=r'"yours".*"mine", "echo", "far"'):
            ask("yours")


def test_the_error_for_an_agent_that_cannot_be_loaded_says_why() -> None:
    with pytest.raises(AgentError, match=r"never_imported_module:agent.*ModuleNotFoundError"):
        AgentManager().get("far")


def test_the_error_for_a_factory_without_an_agent_says_what_is_accepted() -> None:
    agents = AgentManager()
    agents.register("wrong", lambda: 42)

    with pytest.raises(AgentError, match=r'(?s)"wrong".*async generator function'):
        agents.get("wrong")
    with pytest.raises(TypeError, match="not int"):
        agents.register("wronger", 42)  # type: ignore[arg-type]


def test_a_model_is_passed_to_agents_that_take_one() -> None:
    agents = AgentManager()
    agents.register("mine", Echo)
    agents.register("deaf", lambda: Echo())
    agents.use_model({"model": "small"})

    mine, deaf = agents.get("mine"), agents.get("deaf")

    assert isinstance(mine, Echo)
    assert isinstance(deaf, Echo)
    assert (mine.llm, deaf.llm) == ({"model": "small"}, None)


def test_registering_with_a_copy_does_not_change_the_original() -> None:
    agents = AgentManager(agents={"counter": f"{__name__}:count"})
    agents.register("mine", Echo)
    other = copy.copy(agents)
    other.register("yours", Echo)

    assert [info["name"] for info in agents.list()] == ["mine", "counter", "echo", "far"]
    assert [info["name"] for info in other.list()] == ["mine", "yours", "counter", "echo", "far"]


def test_as_agent_returns_an_agent_unchanged() -> None:
    agent = Echo()

    assert as_agent(agent) is agent


def test_a_qwen_agent_is_wrapped(tmp_path: Path) -> None:
    from reasoning_widget.agents.qwen import QwenAgent, import_qwen_agent

    import_qwen_agent()
    from qwen_agent.agents import Assistant

    qwen = Assistant(llm={"model": "some-model", "model_type": "oai"}, name="helper", description="Helps.")
    agent = as_agent(qwen)

    assert isinstance(agent, QwenAgent)
    assert (agent.name, agent.description, agent.model_name) == ("helper", "Helps.", "some-model")
    assert agent.agent is qwen


async def test_a_callable_object_that_yields_steps_is_an_agent() -> None:
    class Greeter:
        async def __call__(self, prompt: str) -> AsyncIterator[Step]:
            yield {"type": "final_answer", "content": f"Hello {prompt}"}

    assert await as_agent(Greeter()).run("you") == "Hello you"


async def test_leaving_early_closes_the_generator() -> None:
    closed: list[bool] = []

    async def forever(prompt: str) -> AsyncIterator[Step]:
        try:
            while True:
                yield {"type": "thought", "content": "…"}
        finally:
            closed.append(True)

    steps: Any = as_agent(forever).run_with_reasoning_stream("?")
    await anext(steps)
    await steps.aclose()

    assert closed == [True]


async def whisper(prompt: str) -> str:
    """Says it quietly."""
    return prompt.lower()


def shout(prompt: str, max_iterations: int = 1) -> str:
    """Says it loudly."""
    return f"{prompt.upper()} {max_iterations}"


def spell(prompt: str) -> Iterator[Step]:
    yield {"type": "thought", "content": "Letter by letter."}
    yield {"type": "final_answer", "content": "-".join(prompt)}


async def murmur(prompt: str) -> AsyncIterator[Step]:
    yield {"type": "thought", "content": "Quietly."}
    yield {"type": "final_answer", "content": f"{prompt}…"}


def noted(function: Any) -> Any:
    """A decorator that does not support coroutines."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


class Caller:
    def __call__(self, prompt: str) -> str:
        return f"{prompt}, called"


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        (whisper, "hey"),
        (shout, "HEY 3"),
        (spell, "H-e-y"),
        (Caller(), "Hey, called"),
        (partial(shout, max_iterations=7), "HEY 3"),
        (lambda prompt: f"{prompt}!", "Hey!"),
        (noted(whisper), "hey"),
        (noted(murmur), "Hey…"),
        (lambda prompt: murmur(prompt), "Hey…"),
    ],
)
async def test_a_function_that_takes_the_prompt_is_an_agent(function: Any, answer: str) -> None:
    registered = AgentManager()
    registered.register("mine", function)

    for agent in (as_agent(function), registered.get("mine")):
        steps = [step async for step in whole_steps(agent.run_with_reasoning_stream("Hey", 3))]
        assert (steps[-1]["type"], steps[-1]["content"]) == ("final_answer", answer)
    assert as_agent(shout).description == "Says it loudly."


async def test_a_blocking_function_runs_in_a_thread_of_its_own() -> None:
    loops_thread = threading.get_ident()
    began, go_on = threading.Event(), threading.Event()

    def wait(prompt: str) -> str:
        began.set()
        go_on.wait()
        return str(threading.get_ident())

    answer = asyncio.create_task(as_agent(wait).run("?"))
    while not began.is_set():
        await asyncio.sleep(0.001)  # the event loop is not blocked
    go_on.set()

    assert int(await answer) != loops_thread


async def test_a_function_without_a_prompt_is_a_factory_of_agents() -> None:
    agents = AgentManager()
    agents.register("echo", lambda: Echo())
    agents.register("quiet", lambda: whisper)
    agents.use_model({"model": "small"})
    agents.register("model", lambda llm: Echo(llm))

    assert await agents.get("echo").run("Hm?") == "Hm?"
    assert await agents.get("quiet").run("Hm?") == "hm?"
    assert agents.get("model").llm == {"model": "small"}  # type: ignore[attr-defined]


async def test_stopping_ends_a_coroutine_behind_a_plain_function() -> None:
    begun, ended = threading.Event(), threading.Event()

    @noted
    async def waits(prompt: str) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return prompt

    run = RunContext()
    with as_current_run(run):
        asked = asyncio.create_task(as_agent(waits).run("?"))
        await asyncio.to_thread(begun.wait)
        run.request_stop()

    with pytest.raises(AgentError):
        await asked
    assert ended.is_set()


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "nothing"), (42, "`int`"), ({"type": "final_answer", "content": ""}, "`dict`"), (" \n", "an empty text")],
)
async def test_a_function_that_returns_no_text_fails_with_an_explanation(value: object, said: str) -> None:
    async def waits(prompt: str) -> object:
        return value

    def works(prompt: str) -> object:
        return value

    for function in (waits, works):
        with pytest.raises(AgentError, match=f"`{function.__name__}` returned {said}.*return a text"):
            await as_agent(function).run("?")


async def test_a_generator_that_yields_no_steps_fails_with_an_explanation() -> None:
    def words(prompt: str) -> Iterator[str]:
        yield "Hello"

    with pytest.raises(AgentError, match="Yield dictionaries"):
        await as_agent(words).run("?")


def without_prompt() -> str:
    return ""


def with_more(prompt: str, colour: str, *, size: int) -> str:
    return prompt


async def waits_without_prompt() -> str:
    return ""


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (42, "int"),
        ("researcher", "researcher"),
        (None, "NoneType"),
        (Echo, r"`Echo\(\)`"),
        (without_prompt, "takes no prompt"),
        (waits_without_prompt, "takes no prompt"),
        (with_more, "requires `colour`, `size`"),
        (spell("Hey"), "was called: pass the function itself"),
    ],
)
def test_other_values_are_rejected_with_what_is_accepted(value: object, hint: str) -> None:
    with pytest.raises(TypeError, match=f"(?s){hint}.*async generator function") as caught:
        as_agent(value)
    for form in (
        "async def agent(prompt): yield",
        "class Agent(BaseAgent)",
        "Assistant(llm=…)",
        "def agent(prompt): return",
    ):
        assert form in str(caught.value)


@pytest.mark.parametrize("function", [with_more, waits_without_prompt])
def test_an_unsuitable_function_is_rejected_when_it_is_registered(function: Any) -> None:
    with pytest.raises(TypeError, match=f"(?s){function.__name__}.*async generator function"):
        AgentManager().register("mine", function)
