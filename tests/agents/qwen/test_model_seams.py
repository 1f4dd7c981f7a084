"""Where we step into Qwen-Agent's models: is each place still there, and each fault still Qwen-Agent's?

A test that fails here tells that a newer Qwen-Agent needs less of us: take the seam out.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from qwen_agent.llm import get_chat_model
from qwen_agent.llm.fncall_prompts.nous_fncall_prompt import NousFnCallPrompt
from qwen_agent.llm.fncall_prompts.qwen_fncall_prompt import FN_EXIT, FN_STOP_WORDS, QwenFnCallPrompt
from qwen_agent.llm.schema import ASSISTANT, FUNCTION, ContentItem, FunctionCall, Message

from reasoning_widget.agents.qwen.connections import ModelConnections, client_options
from reasoning_widget.agents.qwen.model_seams import model_seams
from tests.raw_model import RawModel, chunk, stream, texts

OAI = {"model": "m", "model_type": "oai", "model_server": "http://127.0.0.1:9/v1", "api_key": "none"}
AZURE = {**OAI, "model_type": "azure"}
DASHSCOPE = {"model": "m", "model_type": "qwen_dashscope", "api_key": "none"}
SEEING_DASHSCOPE = {**DASHSCOPE, "model_type": "qwenvl_dashscope"}


@pytest.mark.parametrize("config", [OAI, AZURE, DASHSCOPE, SEEING_DASHSCOPE, {**OAI, "model_type": "qwenvl_oai"}])
def test_every_place_is_there(config: dict[str, Any]) -> None:
    llm = get_chat_model(config)
    seams = list(model_seams(llm, ModelConnections(lambda _: None, lambda _: None)))

    assert all(callable(getattr(seam.target, seam.name)) for seam in seams)
    named = {seam.name for seam in seams}
    assert {"raw_chat", "_conv_qwen_agent_messages_to_oai", "postprocess_fncall_messages"} <= named
    assert ("_chat_stream" if "dashscope" in config["model_type"] else "_chat_complete_create") in named


@pytest.mark.parametrize("config", [OAI, AZURE])
def test_the_client_can_be_made_as_qwen_agent_makes_it(config: dict[str, Any]) -> None:
    options = client_options(get_chat_model(config)._chat_complete_create) or {}

    assert options["api_key"] == "none"
    assert "http://127.0.0.1:9/v1" in options.values()


def test_dashscope_takes_a_session() -> None:
    from dashscope.api_entities.http_request import HttpRequest

    assert "session" in inspect.signature(HttpRequest.__init__).parameters


def test_qwen_agent_names_the_call_of_a_result_as_no_server_does() -> None:
    call = Message(ASSISTANT, "", function_call=FunctionCall("add", "{}"), extra={"function_id": "a"})
    result = Message(FUNCTION, "3", name="add", extra={"function_id": "a"})
    llm = get_chat_model(OAI)

    messages = llm._conv_qwen_agent_messages_to_oai(
        [{"role": "user", "content": "?"}, call.model_dump(), result.model_dump()]
    )

    assert messages[-1]["id"] == "a"
    assert "tool_call_id" not in messages[-1]


def test_qwen_agents_older_format_leaves_out_what_its_agents_read() -> None:
    message = Message(ASSISTANT, [ContentItem(text="✿FUNCTION✿: add\n✿ARGS✿: {}\n")])

    (call,) = QwenFnCallPrompt.postprocess_fncall_messages([message])

    assert call.function_call.name == "add"
    assert call.extra is None


def test_qwen_agents_older_format_stops_at_its_own_word_for_the_answer() -> None:
    assert FN_EXIT in FN_STOP_WORDS


@pytest.mark.parametrize(
    "text",
    [
        "Qwen writes `<tool_call>` and then JSON.",
        "<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>",
    ],
)
def test_qwen_agent_reads_calls_in_one_format_and_cuts_talk_about_it(text: str) -> None:
    messages = NousFnCallPrompt().postprocess_fncall_messages([Message(ASSISTANT, [ContentItem(text=text)])])

    called = [message.function_call.name for message in messages if message.function_call]
    shown = "".join(item.text for message in messages for item in message.content)
    assert (called, shown) != ([], text)
    assert called != ["add"]


def test_qwen_agents_client_reads_thoughts_under_one_name_only() -> None:
    with RawModel(stream(*texts("Cold.", key="reasoning"), chunk({"content": "Snow."}))) as model:
        *_, messages = get_chat_model(model.llm()).chat([{"role": "user", "content": "?"}])

    assert [message.get("reasoning_content") or "" for message in messages] == [""]


def test_qwen_agents_client_takes_an_answer_that_was_cut_for_a_whole_one() -> None:
    with RawModel(stream(*texts("It snows in"), finish="length")) as model:
        *_, messages = get_chat_model(model.llm()).chat([{"role": "user", "content": "?"}])

    assert messages[-1]["content"] == "It snows in"
