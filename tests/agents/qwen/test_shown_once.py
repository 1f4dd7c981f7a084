"""Each step is shown exactly once, regardless of the messages that an agent yields about its work."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qwen_agent import Agent
from qwen_agent.agents import (
    Assistant,
    DialogueSimulator,
    FnCallAgent,
    GroupChat,
    HumanSimulator,
    ParallelDocQA,
    ReActChat,
    WriteFromScratch,
)
from qwen_agent.agents.doc_qa import BasicDocQA
from qwen_agent.llm.schema import ASSISTANT, FUNCTION, FunctionCall, Message
from qwen_agent.tools import retrieval

from reasoning_widget import ReasoningChat
from reasoning_widget.agents.qwen import QwenAgent
from tests.agents.qwen.tools import Tool
from tests.scripted_model import ScriptedModel, gate, say

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the document readers warn about their own code when they are imported
    retrieval._check_deps_for_rag()

Shape = list[tuple[str, str, str]]
ADD = FunctionCall("add", '{"a": 1, "b": 2}')


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        yield model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONING_WIDGET_CACHE", str(tmp_path / "cache"))


def add_tool() -> Tool:
    return Tool("add", lambda a=0, b=0: str(a + b))


def ask(agent: Any, prompt: Any = "question", **options: Any) -> Any:
    """Ask through a session."""
    chat = ReasoningChat(agent, save=False)
    try:
        return chat.ask(prompt, **options)
    finally:
        chat.close()


def shape(answer: Any) -> Shape:
    """Each step's type, agent and text, or the tool's name of a call."""
    return [
        (step["type"], step["agent"], step["tool"]["name"] if step["type"] == "tool_use" else step["content"])
        for step in answer.steps
    ]


# Agents that report their own work --------------------------------------------------------------------------------


class Own(Agent):  # type: ignore[misc]
    """An agent with the test's function in place of `_run`."""

    def __init__(self, work: Callable[[Any], Iterator[Any]], **options: Any) -> None:
        super().__init__(name="own", function_list=[add_tool()], **options)
        self.work = work

    def _run(self, messages: Any, **kwargs: Any) -> Iterator[Any]:
        yield from self.work(self)


def call_message() -> Message:
    return Message(ASSISTANT, "", function_call=ADD)


def calls_after_saying_so(agent: Any) -> Iterator[Any]:
    response = [call_message()]
    yield response
    response.append(Message(FUNCTION, agent._call_tool("add", ADD.arguments), name="add"))
    yield response
    yield [*response, Message(ASSISTANT, "It is")]
    yield [*response, Message(ASSISTANT, "It is 3.")]


def calls_and_then_says_so(agent: Any) -> Iterator[Any]:
    result = agent._call_tool("add", ADD.arguments)
    yield [call_message(), Message(FUNCTION, result, name="add"), Message(ASSISTANT, "It is 3.")]


def calls_the_tool_itself(agent: Any) -> Iterator[Any]:
    yield [call_message()]
    result = agent.function_map["add"].call(ADD.arguments)
    yield [call_message(), Message(FUNCTION, result, name="add"), Message(ASSISTANT, "It is 3.")]


def calls_nothing_that_is_seen(agent: Any) -> Iterator[Any]:
    yield [call_message()]
    yield [call_message(), Message(FUNCTION, "3", name="add")]
    yield [call_message(), Message(FUNCTION, "3", name="add"), Message(ASSISTANT, "It is 3.")]


def says_everything_once_more_in_the_end(agent: Any) -> Iterator[Any]:
    for response in calls_after_saying_so(agent):
        yield list(response)
    yield response


@pytest.mark.parametrize(
    "work",
    [
        calls_after_saying_so,
        calls_and_then_says_so,
        calls_the_tool_itself,
        calls_nothing_that_is_seen,
        says_everything_once_more_in_the_end,
    ],
)
def test_a_call_that_the_agent_also_reports_is_shown_once(work: Any) -> None:
    answer = ask(Own(work))

    assert shape(answer) == [
        ("tool_use", "own", "add"),
        ("tool_result", "own", "3"),
        ("final_answer", "own", "It is 3."),
    ]
    use, result, _ = answer.steps
    assert use["tool"]["call_id"] == result["tool"]["call_id"]
    assert json.loads(use["tool"]["arguments"]) == {"a": 1, "b": 2}


def test_the_same_call_made_twice_is_shown_twice() -> None:
    def work(agent: Any) -> Iterator[Any]:
        response: list[Message] = []
        for _ in range(2):
            response.append(call_message())
            yield response
            response.append(Message(FUNCTION, agent._call_tool("add", ADD.arguments), name="add"))
            yield response
        yield [*response, Message(ASSISTANT, "Twice 3.")]

    assert [kind for kind, *_ in shape(ask(Own(work)))] == ["tool_use", "tool_result"] * 2 + ["final_answer"]


def test_text_around_a_call_is_shown_in_its_place() -> None:
    def work(agent: Any) -> Iterator[Any]:
        response = [Message(ASSISTANT, "I add")]
        yield response
        response = [Message(ASSISTANT, "I add now."), call_message()]
        yield response
        response.append(Message(FUNCTION, agent._call_tool("add", ADD.arguments), name="add"))
        yield response
        yield [*response, Message(ASSISTANT, "It is 3.")]

    assert shape(ask(Own(work))) == [
        ("thought", "own", "I add now."),
        ("tool_use", "own", "add"),
        ("tool_result", "own", "3"),
        ("final_answer", "own", "It is 3."),
    ]


def test_a_text_that_joins_earlier_texts_is_not_shown_again() -> None:
    def work(agent: Any) -> Iterator[Any]:
        yield [Message(ASSISTANT, "I add. ")]
        result = agent._call_tool("add", ADD.arguments)
        yield [Message(ASSISTANT, f"I add. It is {result}.")]

    assert shape(ask(Own(work))) == [
        ("thought", "own", "I add. "),
        ("tool_use", "own", "add"),
        ("tool_result", "own", "3"),
        ("final_answer", "own", "I add. It is 3."),
    ]


def test_text_that_an_agent_adds_to_its_models_text_is_shown_in_its_place(model: ScriptedModel) -> None:
    def work(agent: Any) -> Iterator[Any]:
        response = [Message(ASSISTANT, "First I look around.")]
        yield response
        for chunk in agent._call_llm([Message("user", "look")]):
            yield [*response, *chunk]
        response += [*chunk, Message(ASSISTANT, "Now I know.")]
        yield response
        for chunk in agent._call_llm([Message("user", "tell")]):
            yield [*response, *chunk]

    model.script("look", ["A tree."])
    model.script("tell", ["There is a tree."])

    assert shape(ask(Own(work, llm=model.llm()))) == [
        ("thought", "own", "First I look around."),
        ("thought", "own", "A tree."),
        ("thought", "own", "Now I know."),
        ("final_answer", "own", "There is a tree."),
    ]


def test_text_that_an_agent_puts_before_its_models_text_is_part_of_the_answer(model: ScriptedModel) -> None:
    def work(agent: Any) -> Iterator[Any]:
        for chunk in agent._call_llm([Message("user", "look")]):
            yield [Message(ASSISTANT, f"In short: {chunk[-1].content}")]

    model.script("look", ["A tree."])

    assert shape(ask(Own(work, llm=model.llm()))) == [
        ("thought", "own", "A tree."),
        ("final_answer", "own", "In short: A tree."),
    ]


def test_members_of_a_conversation_without_models_are_named() -> None:
    class Parrot(Agent):  # type: ignore[misc]
        def _run(self, messages: Any, **kwargs: Any) -> Iterator[Any]:
            yield [Message(ASSISTANT, f"{self.name} speaks.")]

    group = GroupChat(agents=[Parrot(name="anna"), Parrot(name="bert")], agent_selection_method="round_robin")

    assert shape(ask(group)) == [
        ("thought", "anna", "anna speaks."),
        ("thought", "bert", "bert speaks."),
        ("final_answer", "anna", "anna speaks."),
    ]


# Agents included in Qwen-Agent ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "turns",
    [
        ['Action: add\nAction Input: {"a": 1, "b": 2}\n', "Final Answer: It is 3."],
        ['Thought: \nAction: add\nAction Input: {"a": 1, "b": 2}\n', "Thought: Final Answer: It is 3."],
        [[say(["\n", "Act", 'ion: add\nAction Input: {"a": 1, "b": 2}\n'])], [say(["Fin", "al Ans", "wer: It is 3."])]],
        [
            [say(["Th", "ought", ":", "\nAction", ': add\nAction Input: {"a": 1, "b": 2}\n'])],
            "\n\nFinal Answer: It is 3.",
        ],
    ],
)
def test_react_shows_no_empty_thoughts(model: ScriptedModel, turns: list[Any]) -> None:
    turns = ["\n" + turn if isinstance(turn, str) and turn.startswith("Action") else turn for turn in turns]
    model.script("question", turns)

    answer = ask(ReActChat(llm=model.llm(), name="react", function_list=[add_tool()]))

    assert shape(answer) == [
        ("tool_use", "react", "add"),
        ("tool_result", "react", "3"),
        ("final_answer", "react", "It is 3."),
    ]


def test_the_last_speaker_gives_the_answer_if_the_host_ends_a_group_chat(model: ScriptedModel) -> None:
    model.script("question", ["I say A."], system="You are anna")
    model.script("", ["anna"], system="The following roles")
    model.script("I say A.", ["[STOP]"], system="The following roles")
    anna = Assistant(llm=model.llm(), name="anna", description="a", system_message="You are anna")
    group = GroupChat(agents=[anna], llm=model.llm())

    answer = ask(group)

    assert answer.text == "I say A."
    assert sorted(shape(answer)) == sorted(
        [("thought", "host", "anna"), ("final_answer", "anna", "I say A."), ("thought", "host", "[STOP]")]
    )
    assert {step["status"] for step in answer.steps} == {"done"}


def test_the_last_message_of_a_simulated_dialogue_is_the_answer(model: ScriptedModel) -> None:
    model.script("", ['["And you?"]'], system="act as the human user")
    model.script("Fine.", ['["<|STOP|>"]'], system="act as the human user")
    model.script("And you?", ["Fine."], system="GUIDE")
    model.script("question", ["Hello."], system="GUIDE")
    agent = DialogueSimulator(
        user_agent=HumanSimulator(llm=model.llm(), name="user", system_message="A tourist."),
        assistant_agent=Assistant(llm=model.llm(), name="guide", system_message="GUIDE"),
    )

    answer = ask(agent)

    assert answer.text == "Fine."
    assert [text for _, _, text in shape(answer)].count("Fine.") == 1
    assert sorted(shape(answer)) == sorted(
        [
            ("thought", "guide", "Hello."),
            ("thought", "user", '["And you?"]'),
            ("final_answer", "guide", "Fine."),
            ("thought", "user", '["<|STOP|>"]'),
        ]
    )


async def test_the_last_message_is_the_answer_even_if_the_host_thinks_after_it(model: ScriptedModel) -> None:
    model.script("question", ["I say A."], system="You are anna")
    model.script("", ["anna"], system="The following roles")
    model.script("I say A.", [[say("[ST"), gate("host"), say("OP]")]], system="The following roles")
    anna = Assistant(llm=model.llm(), name="anna", description="a", system_message="You are anna")
    seen: list[tuple[str, str, str]] = []
    async for step in QwenAgent(GroupChat(agents=[anna], llm=model.llm())).run_with_reasoning_stream("question"):
        seen.append((step["type"], step["content"], step["status"]))
        if step["content"] == "[ST":
            model.open("host")

    assert ("thought", "I say A.", "streaming") in seen
    assert seen[-1] == ("final_answer", "I say A.", "done")


def test_notes_between_chapters_are_shown_between_them(model: ScriptedModel) -> None:
    model.script("Summarize", ["A summary."])
    model.script("outline", ["I. One"])
    model.script("Write", ["Chapter one."])
    model.script("question", ["Chapter one."])
    model.script("only needs to include an outline", ["I. One"])

    texts = [text.replace("\n", " ").strip("> #") for _, _, text in shape(ask(WriteFromScratch(llm=model.llm())))]

    assert texts[1:] == [
        "Summarize Browse Content:",
        "A summary.",
        "Generate Outline:",
        "I. One",
        "Writing Text:",
        "",
        "Chapter one.",
    ]


# Retrieval --------------------------------------------------------------------------------------------------------


@pytest.fixture
def poem(tmp_path: Path) -> Path:
    path = tmp_path / "poem.txt"
    path.write_text("Two roads diverged in a yellow wood.", encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", [Assistant, BasicDocQA])
def test_retrieval_is_a_tool_call_with_its_sources(model: ScriptedModel, poem: Path, kind: Any) -> None:
    model.script("question", ["Two of them."])
    model.script("Keywords", ['{"keywords_zh": ["路"], "keywords_en": ["road"]}'])

    answer = ask(kind(llm=model.llm(), name="reader", files=[str(poem)]))

    assert [(kind, agent) for kind, agent, _ in shape(answer)] == [
        ("thought", "GenKeyword"),
        ("tool_use", "Memory"),
        ("tool_result", "Memory"),
        ("final_answer", "reader"),
    ]
    use, result = answer.steps[1:3]
    assert use["tool"]["name"] == "retrieval"
    assert "road" in use["tool"]["arguments"]
    assert result["content"].split("\n\n") == [str(poem), "Two roads diverged in a yellow wood."]


def test_a_follow_up_omits_calls_that_no_model_made(model: ScriptedModel, poem: Path) -> None:
    model.script("question", ["Two of them."])
    model.script("again", ["Still two."])

    def retrieve(agent: Any) -> Iterator[Any]:
        agent.mem.function_map["retrieval"].call({"query": "roads", "files": [str(poem)]})
        yield from agent._call_llm([Message("user", "question")])

    class Reader(FnCallAgent):  # type: ignore[misc]
        def _run(self, messages: Any, **kwargs: Any) -> Iterator[Any]:
            if len(messages) == 2:
                yield from retrieve(self)
            else:
                yield from super()._run(messages, **kwargs)

    chat = ReasoningChat(Reader(llm=model.llm(), name="reader", system_message="READER"), save=False)
    first = chat.ask("question")
    chat.ask("again")
    chat.close()

    assert [kind for kind, *_ in shape(first)] == ["tool_use", "tool_result", "final_answer"]
    assert [m["content"] for m in model.requests[-1].messages[1:]] == ["question", "Two of them.", "again"]


def test_parallel_readers_of_a_document_are_shown(model: ScriptedModel, poem: Path) -> None:
    model.script("question", ['{"res": "ans", "content": "Two."}'], system="document-based question answering")
    model.script("Keywords", ['{"keywords_zh": ["路"], "keywords_en": ["road"]}'])
    model.script("question", ["There are two."], system="Knowledge Base")

    answer = ask(ParallelDocQA(llm=model.llm(), name="reader"), [{"text": "question"}, {"file": str(poem)}])

    assert answer.text == "There are two."
    seen = [(kind, agent) for kind, agent, _ in shape(answer)]
    assert ("thought", "ParallelDocQAMember") in seen
    assert seen[-1] == ("final_answer", "ParallelDocQASummary")
    tools = [step["tool"]["name"] for step in answer.steps if step["type"] == "tool_use"]
    assert tools == ["doc_parser", "retrieval"]
