"""Every agent class of Qwen-Agent, and what a chat shows of it: the table in ``docs/agents.md``."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import pkgutil
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import qwen_agent
from qwen_agent.agent import BasicAgent
from qwen_agent.agents import (
    ArticleAgent,
    Assistant,
    DialogueRetrievalAgent,
    DialogueSimulator,
    FnCallAgent,
    GroupChat,
    GroupChatAutoRouter,
    HumanSimulator,
    ParallelDocQA,
    ReActChat,
    Router,
    TIRMathAgent,
    VirtualMemoryAgent,
    WriteFromScratch,
    dialogue_retrieval_agent,
)
from qwen_agent.agents.doc_qa import BasicDocQA
from qwen_agent.agents.group_chat_creator import GroupChatCreator
from qwen_agent.agents.memo_assistant import MemoAssistant
from qwen_agent.memory import Memory
from qwen_agent.tools import retrieval

from reasoning_widget import ReasoningChat
from reasoning_widget.agents.base import RunContext, as_current_run
from reasoning_widget.agents.exceptions import Stopped
from reasoning_widget.agents.qwen import QwenAgent
from reasoning_widget.parts import as_message
from tests.agents.qwen.tools import Tool
from tests.scripted_model import HANG, ScriptedModel, Turn, call

pytestmark = pytest.mark.slow

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the document readers warn about their own code when they are imported
    retrieval._check_deps_for_rag()

WAIT_S = 30
PAGE = Path(__file__).parents[3] / "docs" / "agents.md"
HEADER = "| Class | Runs | Steps | Nested | Stop | Follow-up |"
NOT_TOLD = "as in Qwen-Agent: not included"

ELSEWHERE = {
    # Tested with the agents that use them.
    "ContinueWriting", "ExpandWriting", "OutlineWriting", "ParallelDocQAMember", "ParallelDocQASummary", "GenKeyword",
    "GenKeywordWithKnowledge", "SplitQuery", "SplitQueryThenGenKeyword", "SplitQueryThenGenKeywordWithKnowledge",
    # Asks a person, not a model.
    "UserAgent",
}  # fmt: skip

Script = tuple[str, list[Turn], str]


class Case(NamedTuple):
    """An agent, and the answers of its models."""

    make: Callable[[dict[str, Any], Path], Any]
    scripts: tuple[Script, ...] = ()
    prompt: Callable[[Path], Any] = lambda poem: "the first question"


def add_tool() -> Tool:
    return Tool("add", lambda key="": "3")


def member(llm: dict[str, Any], name: str) -> Assistant:
    return Assistant(llm=llm, name=name, description=name, system_message=f"You are {name}")


KEYWORDS: Script = ("Keywords", ['{"keywords_zh": ["路"], "keywords_en": ["road"]}'], "")
CALLS: Script = ("question", [[call("add", {})], "ALPHA."], "")
HOST: Script = ("", ["anna"], "The following roles")

CASES: dict[type, Case] = {
    BasicAgent: Case(lambda llm, _: BasicAgent(llm=llm)),
    FnCallAgent: Case(lambda llm, _: FnCallAgent(llm=llm, function_list=[add_tool()]), (CALLS,)),
    Assistant: Case(
        lambda llm, poem: Assistant(llm=llm, function_list=[add_tool()], files=[str(poem)]), (CALLS, KEYWORDS)
    ),
    ReActChat: Case(
        lambda llm, _: ReActChat(llm=llm, function_list=[add_tool()]),
        (("question", ["I add.\nAction: add\nAction Input: {}\n", "I know.\nFinal Answer: ALPHA."], ""),),
    ),
    VirtualMemoryAgent: Case(
        lambda llm, _: VirtualMemoryAgent(llm=llm),
        (("question", [[call("retrieval", {"query": "road", "files": ["$POEM"]})], "ALPHA."], ""),),
    ),
    MemoAssistant: Case(lambda llm, _: MemoAssistant(llm=llm)),
    TIRMathAgent: Case(
        lambda llm, _: TIRMathAgent(llm=llm),
        (
            ("question", ["I compute.\n```python\nprint(1 + 2)\n```\n"], ""),
            ("```output", ["ALPHA."], ""),
            ("second", ["ALPHA again."], ""),
        ),
    ),
    Router: Case(
        lambda llm, _: Router(llm=llm, agents=[member(llm, "anna")]),
        (("question", ["Call: anna\nReply:"], "anna: anna"),),
    ),
    GroupChat: Case(
        lambda llm, _: GroupChat(llm=llm, agents=[member(llm, "anna")]),
        (HOST, ("ALPHA.", ["[STOP]"], "The following roles"), ("second", ["anna"], "The following roles")),
    ),
    GroupChatAutoRouter: Case(lambda llm, _: GroupChatAutoRouter(llm=llm, agents=[member(llm, "anna")]), (HOST,)),
    GroupChatCreator: Case(lambda llm, _: GroupChatCreator(llm=llm)),
    DialogueSimulator: Case(
        lambda llm, _: DialogueSimulator(
            user_agent=HumanSimulator(llm=llm, name="user", system_message="A tourist."),
            assistant_agent=member(llm, "guide"),
            max_round=2,
        ),
        (("", ['["And you?"]'], "act as the human user"),),
    ),
    HumanSimulator: Case(lambda llm, _: HumanSimulator(llm=llm), (("", ['["ALPHA?"]'], ""),)),
    ArticleAgent: Case(lambda llm, _: ArticleAgent(llm=llm)),
    WriteFromScratch: Case(
        lambda llm, _: WriteFromScratch(llm=llm), (("only needs to include an outline", ["I. One"], ""),)
    ),
    BasicDocQA: Case(lambda llm, poem: BasicDocQA(llm=llm, files=[str(poem)]), (KEYWORDS,)),
    ParallelDocQA: Case(
        lambda llm, _: ParallelDocQA(llm=llm),
        (("question", ['{"res": "ans", "content": "Two."}'], "document-based question answering"), KEYWORDS),
        lambda poem: [{"text": "the first question"}, {"file": str(poem)}],
    ),
    DialogueRetrievalAgent: Case(lambda llm, _: DialogueRetrievalAgent(llm=llm), (KEYWORDS,)),
    Memory: Case(lambda llm, poem: Memory(llm=llm, files=[str(poem)]), (KEYWORDS,)),
}

KINDS = {"thought": "thought", "tool_use": "call", "tool_result": "result", "final_answer": "answer", "error": "error"}


@pytest.fixture
def poem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REASONING_WIDGET_CACHE", str(tmp_path / "cache"))
    clock = itertools.count()
    # It saves a conversation in a file named after the current second; two questions need different files.
    now = SimpleNamespace(datetime=SimpleNamespace(now=lambda: datetime.fromtimestamp(next(clock), UTC)))
    monkeypatch.setattr(dialogue_retrieval_agent, "datetime", now)
    monkeypatch.setattr(dialogue_retrieval_agent, "DEFAULT_WORKSPACE", str(tmp_path))
    path = tmp_path / "poem.txt"
    path.write_text("Two roads diverged in a yellow wood.", encoding="utf-8")
    return path


def told(model: ScriptedModel, scripts: tuple[Script, ...], poem: Path) -> None:
    model.script("", ["ALPHA."])
    for match, turns, system in scripts:
        model.script(match, json.loads(json.dumps(turns).replace("$POEM", str(poem))), system)


@contextlib.contextmanager
def made(case: Case, model: ScriptedModel, poem: Path) -> Iterator[Any]:
    agent = case.make(model.llm(), poem)
    yield agent
    pool = getattr(getattr(agent, "function_map", {}).get("python_executor"), "pool", None)
    if pool is not None:
        pool.terminate()
        pool.join()


def row(kind: type, poem: Path) -> str:
    """The row of the table, determined from the behaviour."""
    case = CASES[kind]
    with ScriptedModel() as model, made(case, model, poem) as agent:
        told(model, case.scripts, poem)
        chat = ReasoningChat(agent, save=False)
        first = chat.ask(case.prompt(poem))
        asked = len(model.requests)
        second = chat.ask("the second question")
        chat.close()
        follow_up = "included" if is_told(model, asked) else NOT_TOLD
        if follow_up == NOT_TOLD:
            assert not is_told_without_a_chat(agent, model, case.prompt(poem))
    own = {QwenAgent(agent).name}
    kinds = dict.fromkeys(KINDS[step["type"]] for step in first.steps)
    others = dict.fromkeys(step["agent"] for step in first.steps if step["agent"] not in own)
    runs = "yes" if first.status == second.status == "completed" and first.text else f"no: {first.error}"
    stop = "yes" if is_stopped(case, poem) else "no"
    return f"| `{kind.__name__}` | {runs} | {', '.join(kinds)} | {', '.join(others) or '–'} | {stop} | {follow_up} |"


def is_told(model: ScriptedModel, asked: int) -> bool:
    """Whether the first prompt or answer is in a request after the first `asked` ones."""
    bodies = json.dumps([each.body for each in model.requests[asked:]])
    return "first question" in bodies or "ALPHA" in bodies


def is_told_without_a_chat(agent: Any, model: ScriptedModel, prompt: Any) -> bool:
    """Whether an agent outside of this package passes the earlier turn to its model."""
    asked = len(model.requests)
    turn = [
        ("user", prompt if isinstance(prompt, str) else prompt[0]["text"]),
        ("assistant", "ALPHA"),
        ("user", "the second question"),
    ]
    list(agent.run([{"role": role, "content": content, "name": None} for role, content in turn]))
    return is_told(model, asked)


def is_stopped(case: Case, poem: Path) -> bool:
    """Whether Stop ends a run whose model is silent, and closes the connection."""
    run, outcome = RunContext(), list[BaseException]()
    with ScriptedModel() as model, made(case, model, poem) as agent:
        model.script("", [[HANG]])

        def work() -> None:
            try:
                with as_current_run(run):
                    QwenAgent(agent).run_blocking(as_message(case.prompt(poem)), 20, lambda _: None)
            except Stopped as stopped:
                outcome.append(stopped)

        thread = threading.Thread(target=work)
        thread.start()
        request = model.wait_for_request()
        run.request_stop()
        thread.join(WAIT_S)
        return bool(outcome) and request.closed_by_client.wait(WAIT_S) and len(model.requests) == 1


def shipped() -> set[str]:
    """The names of all classes of agents in the package."""
    for module in pkgutil.walk_packages(qwen_agent.__path__, "qwen_agent."):
        if re.match(r"qwen_agent\.(agents|memory)", module.name):
            importlib.import_module(module.name)
    found: set[type] = set()
    look_at: list[type] = [qwen_agent.Agent]
    while look_at:
        subclasses: list[type] = type.__subclasses__(look_at.pop())
        found.update(subclasses)
        look_at += subclasses
    return {each.__name__ for each in found if each.__module__.startswith("qwen_agent.")}


def documented() -> dict[str, str]:
    """The rows of the table, by their classes."""
    lines = PAGE.read_text(encoding="utf-8").split(HEADER)[1].strip().splitlines()[1:]
    rows = [line for line in lines if line.startswith("| `")]
    return {line.split("`")[1]: line for line in rows}


def test_every_agent_class_is_in_the_table() -> None:
    assert shipped() == documented().keys() | ELSEWHERE
    assert list(documented()) == [kind.__name__ for kind in CASES]


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_the_table_matches_the_behaviour(kind: type, poem: Path) -> None:
    assert documented().get(kind.__name__) == row(kind, poem)
