"""How a chat shows the answers of model servers, given byte by byte."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from qwen_agent.agents import FnCallAgent

from reasoning_widget import Answer, ReasoningChat
from tests.raw_model import DONE, JSON, RESET, RawModel, Turn, body, chunk, event, head, stream, texts

from .tools import Tool, stopped_in_its_thought

OSLO = '{"city": "Oslo"}'
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
Ask = Callable[..., tuple[Answer, RawModel]]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Ask an agent whose model answers with these turns; with `tools`, the agent has a weather tool."""
    models: list[RawModel] = []

    def start(
        *turns: Turn | Callable[[JSON], Turn], tools: bool = False, **generate_cfg: Any
    ) -> tuple[Answer, RawModel]:
        model = RawModel(*turns).__enter__()
        models.append(model)
        functions = [Tool("weather", lambda city: f"It snows in {city}.")] if tools else []
        chat = ReasoningChat(FnCallAgent(llm=model.llm(**generate_cfg), function_list=functions), save=False)
        answer = chat.ask("What is the weather?")
        chat.close()
        return answer, model

    yield start
    for model in models:
        model.__exit__()


def told(answer: Answer) -> list[tuple[str, str]]:
    """The steps of an answer without the error: the texts, and the arguments of calls."""
    return [
        (step["type"], step["tool"]["arguments"] if step["type"] == "tool_use" else step["content"].strip())
        for step in answer.steps
        if step["type"] != "error"
    ]


ANSWERED = [("thought", "Cold."), ("final_answer", "It snows.")]
CALLED = [("tool_use", OSLO), ("tool_result", "It snows in Oslo."), ("final_answer", "It snows.")]


# Thoughts and text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        [*texts("Co", "ld.", key="reasoning_content"), *texts("It ", "snows.")],
        [*texts("Co", "ld.", key="reasoning"), *texts("It ", "snows.")],
        texts("<th", "ink>\nCold.\n</th", "ink>\n\n", "It ", "snows."),
        texts("Cold.", "\n</think>\n\n", "It snows."),
        [*texts("Cold.", key="reasoning_content"), *texts("\n</think>\n\n", "It snows.")],
        [*texts("Cold.", key="reasoning_content"), *texts("\n\n", "It snows.")],
    ],
)
def test_a_thought_is_a_step_of_its_own(ask: Ask, parts: list[bytes]) -> None:
    answer, _ = ask(stream(*parts))

    assert (answer.status, answer.text.strip()) == ("completed", "It snows.")
    assert told(answer) == ANSWERED


def test_text_between_thoughts_is_shown_between_them(ask: Ask) -> None:
    answer, _ = ask(
        stream(*texts("Let me ", "see. "), *texts("Oslo is ", "cold.", key="reasoning"), *texts("It ", "snows."))
    )

    assert told(answer) == [("thought", "Let me see."), ("thought", "Oslo is cold."), ("final_answer", "It snows.")]


def test_a_thought_after_the_answer_does_not_change_its_type(ask: Ask) -> None:
    answer, _ = ask(stream(*texts("It ", "snows."), *texts("That was right.", key="reasoning_content")))

    assert (answer.status, answer.text) == ("completed", "It snows.")
    assert [each for each in told(answer) if each[1]] == [("thought", "That was right."), ("final_answer", "It snows.")]


def test_a_thought_that_continues_after_text_is_another_step(ask: Ask) -> None:
    reasoning = "reasoning_content"
    answer, _ = ask(
        stream(*texts("One.", key=reasoning), *texts("Let me see. "), *texts("Two.", key=reasoning), *texts("Snow."))
    )

    assert told(answer) == [
        ("thought", "One."),
        ("thought", "Let me see."),
        ("thought", "Two."),
        ("final_answer", "Snow."),
    ]


@pytest.mark.parametrize("parts", [texts("\n\n"), [*texts("Cold.", key="reasoning_content"), *texts("\n \n")], []])
def test_an_answer_of_only_blanks_is_an_error(ask: Ask, parts: list[bytes]) -> None:
    answer, _ = ask(stream(*parts))

    assert answer.status == "failed"
    assert "without an answer" in (answer.error or "")
    assert not answer.text
    assert all(content for _, content in told(answer))


def test_marks_are_never_shown_while_an_answer_grows(ask: Ask) -> None:
    pieces = list(f"<think>\nCold.\n</think>\n\nLet me look.\n{CALL}")
    shown: list[str] = []
    with RawModel(stream(*texts(*pieces)), stream(*texts("It snows."))) as model:
        agent = FnCallAgent(llm=model.llm(), function_list=[Tool("weather", lambda city: city)])
        chat = ReasoningChat(agent, save=False)

        async def watch() -> None:
            shown.extend([step["content"] async for step in chat.stream("Weather?", tokens=True)])

        asyncio.run(watch())
        chat.close()

    assert "Let me look." in "".join(shown)
    assert not [text for text in shown if "<" in text and "tool_use" not in text]


# Calls ------------------------------------------------------------------------------------------------------------


def native(*deltas: JSON) -> Turn:
    return stream(*[chunk({"tool_calls": [delta]}) for delta in deltas], finish="tool_calls")


@pytest.mark.parametrize(
    "turn",
    [
        stream(*texts("<tool", "_call>\n", '{"name": "weather", ', '"arguments": {"city": "Oslo"}}', "\n</tool_call>")),
        stream(
            *texts(
                "<tool_call>\n<function=weather>\n", "<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>"
            )
        ),
        stream(*texts("<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>")),
        stream(*texts('<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}}')),
        stream(*texts('[TOOL_REQUEST]{"name": "weather", "arguments": {"city": "Oslo"}}[END_TOOL_REQUEST]')),
        native({"index": 0, "id": "a", "function": {"name": "weather"}}, {"index": 0, "function": {"arguments": OSLO}}),
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_a_call_is_made_in_every_format(ask: Ask, turn: Turn, raw: bool) -> None:
    answer, _ = ask(turn, stream(*texts("It snows.")), tools=True, use_raw_api=raw)

    assert (answer.status, told(answer)) == ("completed", CALLED)


@pytest.mark.parametrize("raw", [False, True])
def test_a_call_that_is_sent_in_two_formats_is_made_once(ask: Ask, raw: bool) -> None:
    call = chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "weather", "arguments": OSLO}}]})
    turn = stream(*texts("Let me look.\n", CALL), call, finish="tool_calls")
    answer, _ = ask(turn, stream(*texts("It snows.")), tools=True, use_raw_api=raw)

    assert told(answer) == [("thought", "Let me look."), *CALLED]


def test_text_before_a_call_may_continue_after_it(ask: Ask) -> None:
    call = chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "weather", "arguments": OSLO}}]})
    answer, _ = ask(
        stream(*texts("Let me "), call, *texts("look."), finish="tool_calls"),
        stream(*texts("It snows.")),
        tools=True,
        use_raw_api=True,
    )

    assert told(answer)[0] == ("thought", "Let me look.")


@pytest.mark.parametrize(
    "text",
    ["Qwen writes `<tool_call>` and then JSON.", f"Like this:\n```\n{CALL}\n```", "A model ends with </think> then."],
)
def test_a_text_that_mentions_the_call_format_is_an_answer(ask: Ask, text: str) -> None:
    answer, _ = ask(stream(*texts(*re.findall(r"\s*\S+", text))), tools=True)

    assert told(answer) == [("final_answer", text)]


def test_call_markup_of_an_agent_without_tools_is_an_answer(ask: Ask) -> None:
    answer, _ = ask(stream(*texts(CALL)))

    assert told(answer) == [("final_answer", CALL)]


def test_unreadable_arguments_are_explained(ask: Ask) -> None:
    wrong = '<tool_call>\n{"name": "weather", "arguments": {"city": Oslo}}\n</tool_call>'
    answer, _ = ask(stream(*texts(wrong)), stream(*texts("Sorry.")), tools=True)

    (result,) = [step for step in answer.steps if step["type"] == "tool_result"]
    assert result["status"] == "failed"
    assert "not valid JSON" in result["content"]
    assert "Error" not in result["content"]


def test_arguments_that_do_not_match_the_schema_are_explained() -> None:
    class Weather(Tool):
        parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

    wrong = '<tool_call>\n{"name": "weather", "arguments": {"town": "Oslo"}}\n</tool_call>'
    with RawModel(stream(*texts(wrong)), stream(*texts("Sorry."))) as model:
        agent = FnCallAgent(llm=model.llm(), function_list=[Weather("weather", lambda city: city)])
        chat = ReasoningChat(agent, save=False)
        answer = chat.ask("Weather?")
        chat.close()

    (result,) = [step for step in answer.steps if step["type"] == "tool_result"]
    assert result["status"] == "failed"
    assert "do not fit" in result["content"]
    assert "Error" not in result["content"]


@pytest.mark.parametrize("raw", [False, True])
def test_results_have_the_ids_of_their_calls(ask: Ask, raw: bool) -> None:
    two = native(
        {"index": 0, "id": "call_a", "function": {"name": "weather", "arguments": OSLO}},
        {"index": 1, "id": "call_b", "function": {"name": "weather", "arguments": '{"city": "Bergen"}'}},
    )
    answer, model = ask(two, stream(*texts("It snows.")), tools=True, use_raw_api=raw)

    assert [content for kind, content in told(answer) if kind == "tool_result"] == [
        "It snows in Oslo.",
        "It snows in Bergen.",
    ]
    results = [m for m in model.requests[-1]["messages"] if m["role"] == "tool"]
    assert [m["tool_call_id"] for m in results] == (["call_a", "call_b"] if raw else [])
    assert all(m.keys() <= {"role", "content", "name", "tool_call_id"} for m in results)


# How answers end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finish", "words"), [("length", "max_tokens"), ("content_filter", "filter"), ("error", "server reported an error")]
)
def test_a_truncated_answer_is_an_error_and_its_text_is_kept(ask: Ask, finish: str, words: str) -> None:
    answer, _ = ask(stream(*texts("It ", "snows in"), finish=finish))

    assert (answer.status, answer.text) == ("failed", "It snows in")
    assert "cut short" in (answer.error or "")
    assert words in (answer.error or "")
    assert answer.steps[0]["status"] == "failed"


def test_a_thought_that_reaches_the_token_limit_is_not_an_answer(ask: Ask) -> None:
    answer, _ = ask(stream(*texts("<think>\nCold, and"), finish="length"))

    assert (answer.status, told(answer)) == ("failed", [("thought", "Cold, and")])
    assert "max_tokens" in (answer.error or "")


@pytest.mark.parametrize(
    "turn",
    [
        stream(*texts("It sno"), finish=None, done=False),
        [head(), *texts("It sno"), RESET],
        [head(length=10_000), *texts("It sno")],
    ],
)
def test_an_answer_that_breaks_off_is_an_error(ask: Ask, turn: Turn) -> None:
    answer, model = ask(turn)

    assert (answer.status, answer.text) == ("failed", "It sno")
    assert "broke off in the middle" in (answer.error or "")
    assert model.address in (answer.error or "")


@pytest.mark.parametrize("turn", [[RESET], [], [head(), RESET], stream(finish=None, done=False)])
def test_the_error_mentions_no_earlier_text_if_there_is_none(ask: Ask, turn: Turn) -> None:
    answer, model = ask(turn)

    assert (answer.status, told(answer)) == ("failed", [])
    assert "above" not in (answer.error or "")
    assert "raised" not in (answer.error or "")
    assert model.address in (answer.error or "")


@pytest.mark.parametrize(
    "turn",
    [
        stream(*texts("It snows."), done=False),
        stream(*texts("It snows."), finish=None),
        [head(), b"\xef\xbb\xbf" + chunk({"content": "It snows."}).replace(b"data: ", b"data:"), chunk({}, "stop")],
        [*stream(*texts("It snows.")), event({"choices": [], "usage": {"prompt_tokens": 1}})],
        [head(), b": PROCESSING\n\n", b"\n\n", *texts("It ", "snows."), b": keep-alive\n\n", chunk({}, "stop"), DONE],
        [
            part.replace(b"\n", b"\r\n") if isinstance(part, bytes) and part[:4] == b"data" else part
            for part in stream(*texts("It ", "snows."))
        ],
        [head(), chunk({"content": "It "})[:-1] + chunk({"content": "snows."}), chunk({}, "stop"), DONE],
        [head(), b'data: {"choices": [{"delta":\ndata: {"content": "It snows."}}]}\n\n', DONE],
        [
            head(),
            event({"choices": [{"delta": {"content": "It\u2028snows."}}]}).replace(rb"\u2028", b"\xe2\x80\xa8"),
            DONE,
        ],
        stream(*texts("It "), b'event: ping\ndata: {"type": "ping"}\n\n', *texts("snows.")),
        stream(event({}), event("null"), *texts("It snows.")),
        stream(*texts("It "), event({"choices": None}), event({"choices": [{"delta": None}]}), *texts("snows.")),
    ],
)
def test_unusual_but_complete_streams_are_answers(ask: Ask, turn: Turn) -> None:
    answer, _ = ask(turn)

    assert (answer.status, answer.error) == ("completed", None)
    assert " ".join(answer.text.split()) == "It snows."


# Responses that are not streams -----------------------------------------------------------------------------------


def completion(**message: Any) -> JSON:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return {"object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": 17, "completion_tokens": 3}}


def test_a_whole_completion_is_an_answer(ask: Ask) -> None:
    answer, _ = ask(body(completion(content="It snows.", reasoning_content="Cold.")))

    assert (answer.status, told(answer)) == ("completed", ANSWERED)
    assert answer.usage == {"input_tokens": 17, "output_tokens": 3}


def test_calls_in_a_whole_completion_are_made(ask: Ask) -> None:
    calls = [{"id": "a", "type": "function", "function": {"name": "weather", "arguments": OSLO}}]
    answer, _ = ask(body(completion(content=None, tool_calls=calls)), body(completion(content="It snows.")), tools=True)

    assert (answer.status, told(answer)) == ("completed", CALLED)


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (
            body(
                b"<!doctype html><html><head><title>Open WebUI</title></head><body>Hi</body></html>", kind="text/html"
            ),
            "Open WebUI",
        ),
        (body(b"<div>Sign in</div>", kind="text/html"), "Sign in"),
        (
            body(b"<!-- 1 --><!doctype html><title>Sign in</title>", kind="text/html; charset=utf-8"),
            "web page (`Sign in`)",
        ),
        (body({"error": "Unexpected endpoint or method. (POST /chat/completions)"}), "Unexpected endpoint"),
        (body(b"Ollama is running", kind="text/plain"), "Ollama is running"),
        (body(b""), "empty response"),
        (body({"detail": "Not Found"}), "Not Found"),
    ],
)
def test_other_responses_are_described_with_the_address(ask: Ask, turn: Turn, words: str) -> None:
    answer, model = ask(turn)

    assert (answer.status, told(answer)) == ("failed", [])
    assert words in (answer.error or "")
    assert f"{model.address}/v1/chat/completions" in (answer.error or "")
    assert "ends in `/v1`" in (answer.error or "")
    assert "<" not in (answer.error or "")


@pytest.mark.parametrize(
    "said",
    [
        event({"error": {"message": "Compute error.", "code": 500}}),
        event({"error": "Compute error."}),
        event({"object": "error", "message": "Compute error.", "code": 40303}),
        b'event: error\ndata: {"error": {"message": "Compute error."}, "message": "Compute error."}\n\n',
        b'error: {"code": 500, "message": "Compute error."}\n\n',
        b"error: Compute error.\n\n",
        event({"detail": "Compute error."}),
        event({"code": 500, "msg": "Compute error."}),
        event({"choices": [{"delta": {}, "error": {"message": "Compute error."}, "finish_reason": "error"}]}),
        pytest.param(b'{"error": {"message": "Compute error."}}', id="JSON that is no event"),
        pytest.param(b"Compute error.", id="a text that is no event"),
    ],
)
def test_an_error_within_a_stream_has_the_servers_message(ask: Ask, said: bytes) -> None:
    answer, model = ask([head(), *texts("It "), said])

    assert (answer.status, answer.text.strip()) == ("failed", "It")
    assert "Compute error." in (answer.error or "")
    assert model.address in (answer.error or "")


def test_an_unreadable_response_is_quoted_instead_of_the_parsers_error(ask: Ask) -> None:
    answer, model = ask([head(), *texts("It "), b'data: {"id":"x","choi\n\n', DONE])

    assert answer.status == "failed"
    assert '{"id":"x","choi' in (answer.error or "")
    assert model.address in (answer.error or "")
    assert "JSONDecodeError" not in (answer.error or "")


# Refusals and errors ----------------------------------------------------------------------------------------------


def refusing(name: str, said: object, status: str = "400 Bad Request") -> Callable[[JSON], Turn]:
    return lambda request: body(said, status) if name in request else stream(*texts("It snows."))


UNPROCESSABLE = "422 Unprocessable Entity"


@pytest.mark.parametrize(
    "turn",
    [
        refusing("seed", [{"error": {"code": 400, "message": 'Unknown name "seed": Cannot find field.'}}]),
        refusing("seed", {"error": {"message": "Unrecognized request argument supplied: seed", "param": None}}),
        refusing("seed", b"seed is not supported", UNPROCESSABLE),
        refusing("seed", b"create() got an unexpected keyword argument 'seed'", "500 Internal Server Error"),
        refusing(
            "seed",
            {"error": {"message": "Provider returned error", "metadata": {"raw": '{"message": "Unknown: seed"}'}}},
        ),
        refusing(
            "stream_options",
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]},
            UNPROCESSABLE,
        ),
        refusing("stream_options", {"error": "unknown field `stream_options`"}),
        refusing("top_k", {"error": {"message": "Unsupported parameter: 'top_k'", "param": "top_k"}}),
        refusing(
            "temperature",
            {"error": {"message": "Unsupported value: 'temperature' does not support 0.5 with this model."}},
        ),
    ],
)
def test_a_rejected_parameter_is_removed(ask: Ask, turn: Callable[[JSON], Turn]) -> None:
    answer, model = ask(turn, top_k=3, temperature=0.5)

    assert (answer.status, answer.text) == ("completed", "It snows.")
    assert len(model.requests) == 2


def test_the_token_limit_is_sent_under_the_name_that_the_server_knows(ask: Ask) -> None:
    said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    answer, model = ask(refusing("max_tokens", {"error": {"message": said}}), max_tokens=50)

    assert answer.status == "completed"
    assert model.requests[-1]["max_completion_tokens"] == 50


def test_a_wrong_value_is_not_removed(ask: Ask) -> None:
    said = "'temperature' must be at most 2."
    answer, model = ask(body({"error": {"message": said}}, "400 Bad Request"), temperature=3)

    assert (answer.status, len(model.requests)) == ("failed", 1)
    assert said in (answer.error or "")


def test_a_request_that_is_always_rejected_is_repeated_once(ask: Ask) -> None:
    answer, model = ask(body({"error": {"message": "seed is not supported"}}, "400 Bad Request"))

    assert (answer.status, len(model.requests)) == ("failed", 2)


@pytest.mark.parametrize(
    ("status", "said", "has", "lacks"),
    [
        ("401 Unauthorized", b"", ["refused the key"], []),
        ("401 Unauthorized", {"detail": "Unauthorized"}, ["refused the key", "Unauthorized"], []),
        (
            "400 Bad Request",
            [{"error": {"message": "API key not valid."}}],
            ["refused the key", "API key not valid."],
            ["context of the model"],
        ),
        ("403 Forbidden", b"Host not in allowlist", ["Host not in allowlist"], ["key (403)", "mozilla"]),
        (
            "402 Payment Required",
            {"error": {"message": "Insufficient Balance"}},
            ["Insufficient Balance", "balance"],
            [],
        ),
        ("404 Not Found", b"404 page not found", ["/v1", "page not found"], []),
        (
            "400 Bad Request",
            {"object": "error", "message": "This model's maximum context length is 4096 tokens."},
            ["clear it", "4096"],
            ["key"],
        ),
        (
            "400 Bad Request",
            {"message": "System role not supported"},
            ["System role not supported"],
            ["context of the model", "key"],
        ),
        (
            "400 Bad Request",
            {
                "error": {
                    "message": "The response was filtered by the content management policy.",
                    "code": "content_filter",
                }
            },
            ["other words"],
            ["context of the model", "generate_cfg"],
        ),
        (
            "400 Bad Request",
            {"message": "Access denied: your account is not in good standing."},
            ["good standing"],
            ["context of the model"],
        ),
        (
            "429 Too Many Requests",
            {"error": {"message": "You exceeded your current quota"}},
            ["429", "quota", "plan"],
            [],
        ),
        (
            "429 Too Many Requests",
            {"error": {"message": "Provider returned error", "metadata": {"raw": '{"error": "Busy upstream."}'}}},
            ["Provider returned error: Busy upstream."],
            [],
        ),
        (
            "529 Overloaded",
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            ["529", "Overloaded"],
            [],
        ),
        (
            "502 Bad Gateway",
            b"<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>",
            ["502 Bad Gateway"],
            ["<"],
        ),
        (
            "422 Unprocessable Entity",
            {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]},
            ["field required"],
            ["{"],
        ),
        ("400 Bad Request", b'"just a text"', ["just a text"], []),
    ],
)
def test_an_http_error_has_the_servers_message_and_advice(
    ask: Ask, status: str, said: object, has: list[str], lacks: list[str]
) -> None:
    answer, model = ask(body(said, status))

    assert answer.status == "failed"
    assert model.address in (answer.error or "")
    for words in has:
        assert words in (answer.error or "")
    for words in lacks:
        assert words not in (answer.error or "")


def test_qwen_agents_own_input_limit_is_named() -> None:
    with RawModel(stream(*texts("It snows."))) as model:
        agent = FnCallAgent(llm=model.llm(max_input_tokens=5), system_message="Answer in one short sentence, please.")
        chat = ReasoningChat(agent, save=False)
        answer = chat.ask("Weather?")
        chat.close()

    assert (answer.status, model.requests) == ("failed", [])
    assert "max_input_tokens" in (answer.error or "")


# Other ways of asking ---------------------------------------------------------------------------------------------


def test_an_answer_without_streaming_is_read_the_same_way(ask: Ask) -> None:
    class Whole(FnCallAgent):  # type: ignore[misc]
        def _run(self, messages: Any, **kwargs: Any) -> Iterator[Any]:
            yield self._call_llm(messages, stream=False)

    with RawModel(body(completion(content=None, reasoning="Cold.", refusal="I will not."))) as model:
        chat = ReasoningChat(Whole(llm=model.llm()), save=False)
        answer = chat.ask("Weather?")
        chat.close()

    assert told(answer) == [("thought", "Cold."), ("final_answer", "I will not.")]


@pytest.mark.parametrize("chunks", ["dictionaries", "objects"])
def test_the_answers_of_a_custom_client_are_read_the_same_way(chunks: str) -> None:
    from openai.types.chat import ChatCompletionChunk

    deltas = [{"reasoning": "Cold."}, {"content": "It snows."}]
    said = [
        {"id": "1", "created": 1, "model": "m", "object": "chat.completion.chunk", "choices": [choice]}
        for choice in [
            *({"index": 0, "delta": delta, "finish_reason": None} for delta in deltas),
            {"index": 0, "delta": {}, "finish_reason": "stop"},
        ]
    ]
    agent = FnCallAgent(llm={"model": "m", "model_type": "oai", "model_server": "http://127.0.0.1:9/v1"})
    agent.llm._chat_complete_create = lambda **_: iter(
        said if chunks == "dictionaries" else [ChatCompletionChunk.model_validate(each) for each in said]
    )
    chat = ReasoningChat(agent, save=False)
    answer = chat.ask("Weather?")
    chat.close()

    assert told(answer) == ANSWERED


def test_a_truncated_call_is_explained(ask: Ask) -> None:
    cut = stream(*texts('<tool_call>\n{"name": "weather", "arguments": {"city": "Os'), finish="length")
    answer, _ = ask(cut, stream(*texts("Sorry.")), tools=True)

    (result,) = [step for step in answer.steps if step["type"] == "tool_result"]
    assert result["status"] == "failed"
    assert "max_tokens" in result["content"]
    assert answer.text == "Sorry."


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"function_choice": "weather"}, {"tool_choice": {"type": "function", "function": {"name": "weather"}}}),
        ({"parallel_function_calls": True}, {"parallel_tool_calls": True}),
        ({"enable_thinking": False, "top_k": 3}, {"enable_thinking": False, "top_k": 3}),
        ({"thought_in_content": True}, {}),
    ],
)
def test_qwen_agents_options_reach_the_server_under_its_names(ask: Ask, given: JSON, asked: JSON) -> None:
    answer, model = ask(stream(*texts("It snows.")), tools=True, use_raw_api=True, **given)

    assert answer.status == "completed"
    assert asked.items() <= model.requests[0].items()
    assert not {"function_choice", "parallel_function_calls", "thought_in_content"} & model.requests[0].keys()


def test_an_option_without_effect_is_an_error(ask: Ask) -> None:
    answer, model = ask(stream(*texts("It snows.")), tools=True, function_choice="weather")

    assert (answer.status, model.requests) == ("failed", [])
    assert "`function_choice`" in (answer.error or "")


@pytest.mark.parametrize("parallel", [False, True])
def test_the_older_format_works_beyond_its_first_tool(ask: Ask, parallel: bool) -> None:
    call = f"✿FUNCTION✿: weather\n✿ARGS✿: {OSLO}\n"
    answer, model = ask(
        stream(*texts("Let me look.\n", call, "✿RESULT✿")),
        stream(*texts("✿RET", "URN✿: It ", "snows.")),
        tools=True,
        fncall_prompt_type="qwen",
        parallel_function_calls=parallel,
    )

    assert (answer.status, told(answer)) == ("completed", [("thought", "Let me look."), *CALLED])
    assert "✿RETURN✿" not in model.requests[-1]["stop"]


def test_stop_closes_an_answer_that_never_comes() -> None:
    never = threading.Event()
    with RawModel([head(), *texts("Cold", key="reasoning"), never]) as model:
        answer = stopped_in_its_thought(model, FnCallAgent(llm=model.llm()))

    assert (answer.status, told(answer)) == ("stopped", [("thought", "Cold")])
