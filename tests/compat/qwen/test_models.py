"""Canaries: the methods of Qwen-Agent's models that a run replaces exist, and so does each corrected error.

A failed test means that a newer Qwen-Agent no longer needs a correction: remove it.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from qwen_agent.llm import get_chat_model
from qwen_agent.llm.fncall_prompts.nous_fncall_prompt import NousFnCallPrompt
from qwen_agent.llm.fncall_prompts.qwen_fncall_prompt import FN_EXIT, FN_STOP_WORDS, QwenFnCallPrompt
from qwen_agent.llm.schema import ASSISTANT, FUNCTION, ContentItem, FunctionCall, Message

from reasoning_widget.agents.qwen.connections import ModelConnections
from reasoning_widget.agents.qwen.model_handlers import model_handlers
from reasoning_widget.compat.qwen.models import client_options, dashscope_usage, model_methods, with_session
from tests.raw_model import RawModel, chunk, stream, texts

OAI = {"model": "m", "model_type": "oai", "model_server": "http://127.0.0.1:9/v1", "api_key": "none"}
AZURE = {**OAI, "model_type": "azure"}
DASHSCOPE = {"model": "m", "model_type": "qwen_dashscope", "api_key": "none"}
SEEING_DASHSCOPE = {**DASHSCOPE, "model_type": "qwenvl_dashscope"}


@pytest.mark.parametrize("config", [OAI, AZURE, DASHSCOPE, SEEING_DASHSCOPE, {**OAI, "model_type": "qwenvl_oai"}])
def test_every_replaced_method_exists(config: dict[str, Any]) -> None:
    llm = get_chat_model(config)
    methods = list(model_methods(llm))

    assert all(callable(getattr(method.target, method.name)) for method in methods)
    assert {method.place for method in methods} <= set(
        model_handlers(llm, ModelConnections(lambda _: None, lambda _: None))
    )
    named = {method.name for method in methods}
    assert {"raw_chat", "_conv_qwen_agent_messages_to_oai", "postprocess_fncall_messages"} <= named
    assert ("_chat_stream" if "dashscope" in config["model_type"] else "_chat_complete_create") in named


@pytest.mark.parametrize("config", [OAI, AZURE])
def test_the_options_of_openais_client_are_found(config: dict[str, Any]) -> None:
    options = client_options(get_chat_model(config)) or {}

    assert options["api_key"] == "none"
    assert "http://127.0.0.1:9/v1" in options.values()


def test_dashscope_accepts_a_session() -> None:
    from dashscope.api_entities.http_request import HttpRequest

    assert "session" in inspect.signature(HttpRequest.__init__).parameters


@pytest.mark.parametrize("config", [DASHSCOPE, SEEING_DASHSCOPE])
@pytest.mark.parametrize("name", ["_chat_stream", "_chat_no_stream"])
def test_dashscopes_methods_take_the_session_in_their_last_argument(config: dict[str, Any], name: str) -> None:
    method = getattr(get_chat_model(config), name)

    assert [*inspect.signature(method).parameters][-1] == "generate_cfg"
    assert with_session(([], {"seed": 1}), {}, "session")[0][-1] == {"seed": 1, "session": "session"}
    assert with_session((), {"generate_cfg": {}}, "session")[1] == {"generate_cfg": {"session": "session"}}


def test_the_tokens_of_a_dashscope_message_are_in_its_response() -> None:
    message = Message(ASSISTANT, "Hi.", extra={"model_service_info": {"usage": {"input_tokens": 3}}})

    assert dashscope_usage(message) == {"input_tokens": 3}
    assert dashscope_usage(Message(ASSISTANT, "Hi.")) == {}


def test_qwen_agent_still_names_the_call_of_a_result_id() -> None:
    call = Message(ASSISTANT, "", function_call=FunctionCall("add", "{}"), extra={"function_id": "a"})
    result = Message(FUNCTION, "3", name="add", extra={"function_id": "a"})
    llm = get_chat_model(OAI)

    messages = llm._conv_qwen_agent_messages_to_oai(
        [{"role": "user", "content": "?"}, call.model_dump(), result.model_dump()]
    )

    assert messages[-1]["id"] == "a"
    assert "tool_call_id" not in messages[-1]


def test_qwen_agents_older_format_still_leaves_out_ids() -> None:
    message = Message(ASSISTANT, [ContentItem(text="✿FUNCTION✿: add\n✿ARGS✿: {}\n")])

    (call,) = QwenFnCallPrompt.postprocess_fncall_messages([message])

    assert call.function_call.name == "add"
    assert call.extra is None


def test_qwen_agents_older_format_still_stops_at_its_exit_word() -> None:
    assert FN_EXIT in FN_STOP_WORDS


@pytest.mark.parametrize(
    "text",
    [
        "Qwen writes `<tool_call>` and then JSON.",
        "<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>",
    ],
)
def test_qwen_agent_still_reads_one_format_of_calls_and_cuts_texts_that_mention_it(text: str) -> None:
    messages = NousFnCallPrompt().postprocess_fncall_messages([Message(ASSISTANT, [ContentItem(text=text)])])

    called = [message.function_call.name for message in messages if message.function_call]
    shown = "".join(item.text for message in messages for item in message.content)
    assert (called, shown) != ([], text)
    assert called != ["add"]


def test_qwen_agent_still_reads_thoughts_under_one_name_only() -> None:
    with RawModel(stream(*texts("Cold.", key="reasoning"), chunk({"content": "Snow."}))) as model:
        *_, messages = get_chat_model(model.llm()).chat([{"role": "user", "content": "?"}])

    assert [message.get("reasoning_content") or "" for message in messages] == [""]


def test_qwen_agent_still_takes_a_truncated_answer_for_a_complete_one() -> None:
    with RawModel(stream(*texts("It snows in"), finish="length")) as model:
        *_, messages = get_chat_model(model.llm()).chat([{"role": "user", "content": "?"}])

    assert messages[-1]["content"] == "It snows in"
