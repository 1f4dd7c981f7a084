"""DashScope's own interface, Qwen-Agent's default, is read, counted and closed like the others."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import dashscope
import pytest
from qwen_agent.agents import FnCallAgent

from reasoning_widget import Answer, ReasoningChat
from tests.raw_model import RESET, RawModel, Turn, body, head

from .tools import Tool, stopped_in_its_thought


@pytest.fixture(autouse=True)
def settings_kept() -> Iterator[None]:
    """Restore DashScope's address and key, which are global."""
    kept = dashscope.base_http_api_url, dashscope.api_key
    yield
    dashscope.base_http_api_url, dashscope.api_key = kept


def result(finish: str = "null", tokens: int = 1, **message: Any) -> bytes:
    choice = {"message": {"role": "assistant", "content": "", **message}, "finish_reason": finish}
    usage = {"input_tokens": 17, "output_tokens": tokens, "total_tokens": 17 + tokens}
    data = json.dumps({"output": {"choices": [choice]}, "usage": usage, "request_id": "r"})
    return f"id:1\nevent:result\n:HTTP_STATUS/200\ndata:{data}\n\n".encode()


def ask(*turns: Turn, kind: str = "qwen_dashscope") -> tuple[Answer, RawModel]:
    with RawModel(*turns) as model:
        tools = [Tool("weather", lambda city: f"It snows in {city}.")]
        chat = ReasoningChat(FnCallAgent(llm=llm_of(model, kind), function_list=tools), save=False)
        answer = chat.ask("What is the weather?")
        chat.close()
    return answer, model


def llm_of(model: RawModel, kind: str = "qwen_dashscope") -> dict[str, Any]:
    address = f"{model.address}/api/v1"
    return {"model": "qwen-plus", "model_type": kind, "api_key": "sk-raw-1", "base_http_api_url": address}


def told(answer: Answer) -> list[tuple[str, str]]:
    return [(step["type"], step["content"]) for step in answer.steps if step["type"] != "error"]


HEAD = head(kind="text/event-stream;charset=UTF-8")


def test_thoughts_answers_and_token_counts_are_read() -> None:
    turn: Turn = [
        HEAD,
        result(reasoning_content="Co"),
        result(reasoning_content="ld."),
        result(content="It "),
        result("stop", 4, content="snows."),
    ]

    answer, _ = ask(turn)

    assert (answer.status, told(answer)) == ("completed", [("thought", "Cold."), ("final_answer", "It snows.")])
    assert answer.usage == {"input_tokens": 17, "output_tokens": 4}


def fragment(index: int, call_id: str, name: str | None, arguments: str) -> bytes:
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return result(tool_calls=[{"index": index, "id": call_id, "type": "function", "function": function}])


@pytest.mark.parametrize("ids", [("a", "b"), ("", ""), ("a", "a")])
def test_calls_are_paired_with_their_results(ids: tuple[str, str]) -> None:
    turn: Turn = [
        HEAD,
        fragment(0, ids[0], "weather", ""),
        fragment(0, "", None, '{"city": "Oslo"}'),
        fragment(1, ids[1], "weather", '{"city": "Bergen"}'),
        result("tool_calls", 9),
    ]

    answer, model = ask(turn, [HEAD, result("stop", content="It snows.")])

    assert [content for kind, content in told(answer) if kind == "tool_result"] == [
        "It snows in Oslo.",
        "It snows in Bergen.",
    ]
    assert answer.usage == {"input_tokens": 34, "output_tokens": 10}
    messages = model.requests[-1]["input"]["messages"]
    called = [call["id"] for message in messages for call in message.get("tool_calls", [])]
    assert called == [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert len(set(called)) == 2


def test_a_truncated_answer_is_reported_as_truncated() -> None:
    answer, _ = ask([HEAD, result("length", content="It snows in")])

    assert (answer.status, answer.text) == ("failed", "It snows in")
    assert "max_tokens" in (answer.error or "")


def test_an_answer_that_breaks_off_is_an_error() -> None:
    answer, model = ask([HEAD, result(content="It sno")])

    assert (answer.status, answer.text) == ("failed", "It sno")
    assert "broke off" in (answer.error or "")
    assert model.address in (answer.error or "")


PAGE = b"<html><head><title>Sign in</title></head></html>"


@pytest.mark.parametrize(
    ("status", "words"), [("200 OK", "not a model server"), ("502 Bad Gateway", "reported an error: Sign in")]
)
def test_a_web_page_is_explained(status: str, words: str) -> None:
    answer, _ = ask(body(PAGE, status, kind="text/html"))

    assert (answer.status, told(answer)) == ("failed", [])
    assert words in (answer.error or "")
    assert "<" not in (answer.error or "")
    assert "JSONDecodeError" not in (answer.error or "")


def error(status: int, code: str, message: str) -> bytes:
    data = json.dumps({"code": code, "message": message, "request_id": "r"})
    return f"id:1\nevent:error\n:HTTP_STATUS/{status}\ndata:{data}\n\n".encode()


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (
            body({"code": "InvalidApiKey", "message": "Invalid API-key provided."}, "401 Unauthorized"),
            "DASHSCOPE_API_KEY",
        ),
        (body({"code": "Throttling.RateQuota", "message": "Rate limit exceeded."}, "429 Too Many Requests"), "429"),
        (body({"code": "Arrearage", "message": "Not in good standing."}, "400 Bad Request"), "balance"),
        ([HEAD, result(content="It "), error(400, "DataInspectionFailed", "Inappropriate content.")], "other words"),
        ([RESET], "closed the connection"),
    ],
)
def test_errors_come_with_advice(turn: Turn, words: str) -> None:
    answer, model = ask(turn)

    assert answer.status == "failed"
    assert words in (answer.error or "")
    assert model.address in (answer.error or "")
    assert "context of the model" not in (answer.error or "")


@pytest.mark.parametrize("kind", ["qwen_dashscope", "qwenvl_dashscope"])
def test_stop_closes_the_open_request(kind: str) -> None:
    first = result(reasoning_content="Cold")
    start = HEAD.replace(
        b"Connection: close", b"Transfer-Encoding: chunked"
    )  # its client only reads chunked bodies as they arrive
    with RawModel([start, b"%x\r\n%s\r\n" % (len(first), first), threading.Event()]) as model:
        answer = stopped_in_its_thought(model, FnCallAgent(llm=llm_of(model, kind)))

    assert (answer.status, told(answer)) == ("stopped", [("thought", "Cold")])


def test_a_vision_model_is_read_the_same_way() -> None:
    turn: Turn = [HEAD, result(content=[{"text": "It "}]), result("stop", 3, content=[{"text": "snows."}])]

    answer, _ = ask(turn, kind="qwenvl_dashscope")

    assert (answer.status, told(answer)) == ("completed", [("final_answer", "It snows.")])
    assert answer.usage == {"input_tokens": 17, "output_tokens": 3}
