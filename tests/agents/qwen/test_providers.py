"""The answers of each model server, as users reported them, and the table of what is supported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dashscope
import pytest
from qwen_agent.agents import FnCallAgent

from reasoning_widget import Answer, ReasoningChat
from tests.raw_model import DONE, JSON, RawModel, Turn, chunk, event, head, stream, texts

from .tools import Tool

PAGE = Path(__file__).parents[3] / "docs" / "model-servers.md"
START, END = "<!-- providers -->", "<!-- /providers -->"
ARGUMENTS = ['{"city": "Oslo"}', '{"city": "Bergen"}']
COUNTED = {"prompt_tokens": 17, "completion_tokens": 3, "total_tokens": 20}


def called(*deltas: JSON, **more: Any) -> Turn:
    return stream(*[chunk({"tool_calls": [delta], **more}) for delta in deltas], finish="tool_calls")


def whole_calls(*fields: JSON) -> list[JSON]:
    """Two calls, each in one fragment."""
    return [
        {**each, "type": "function", "function": {"name": "weather", "arguments": arguments}}
        for each, arguments in zip(fields, ARGUMENTS, strict=True)
    ]


def split_calls(**later: Any) -> list[JSON]:
    """Two calls in fragments, as OpenAI sends them; `later` is in all fragments but the first of each."""
    return [
        delta
        for index, arguments in enumerate(ARGUMENTS)
        for delta in (
            {
                "index": index,
                "id": f"call_{index}",
                "type": "function",
                "function": {"name": "weather", "arguments": ""},
            },
            {"index": index, **later, "function": {"arguments": arguments[:5]}},
            {"index": index, **later, "function": {"arguments": arguments[5:]}},
        )
    ]


@dataclass
class Server:
    """How a server answers."""

    thought: Turn | None
    """A thought and an answer; None if the server sends no thoughts."""
    where: str
    """Where the server puts the thought."""
    calls: Turn
    how: str
    """How the server sends the calls."""
    tokens: Turn = field(
        default_factory=lambda: [
            head(),
            *texts("It snows."),
            chunk({}, "stop"),
            event({"choices": [], "usage": COUNTED}),
            DONE,
        ]
    )
    cut: Turn = field(default_factory=lambda: stream(*texts("It snows in"), finish="length"))
    llm: JSON = field(default_factory=dict)


def content_with(*parts: str) -> Turn:
    return stream(*texts(*parts))


def dashscope_turn(*messages: JSON, finish: str = "stop") -> Turn:
    def result(message: JSON, reason: str) -> bytes:
        choice = {"message": {"role": "assistant", "content": "", **message}, "finish_reason": reason}
        usage = {"input_tokens": 17, "output_tokens": 3, "total_tokens": 20}
        data = json.dumps({"output": {"choices": [choice]}, "usage": usage})
        return f"id:1\nevent:result\n:HTTP_STATUS/200\ndata:{data}\n\n".encode()

    return [head(), *(result(message, "null") for message in messages), result({}, finish)]


def with_usage(**extra: Any) -> Turn:
    return [head(), chunk({"content": "It snows."}), chunk({}, "stop", usage=COUNTED, **extra), DONE]


SERVERS: dict[str, Server] = {
    "OpenAI": Server(None, "not sent", called(*split_calls()), "fragments by index"),
    "Azure OpenAI": Server(
        None,
        "not sent",
        called(*split_calls()),
        "fragments by index",
        cut=[
            head(),
            event({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
            *texts("It snows in"),
            event({"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}]}),
            chunk({}, "length"),
            DONE,
        ],
        llm={"model_type": "azure"},
    ),
    "DashScope": Server(
        dashscope_turn({"reasoning_content": "Co"}, {"reasoning_content": "ld."}, {"content": "It snows."}),
        "`reasoning_content`",
        dashscope_turn(*({"tool_calls": [delta]} for delta in split_calls(id="")), finish="tool_calls"),
        "fragments by index",
        dashscope_turn({"content": "It snows."}),
        dashscope_turn({"content": "It snows in"}, finish="length"),
        {"model_type": "qwen_dashscope"},
    ),
    "DeepSeek": Server(
        stream(
            chunk({"content": None, "reasoning_content": "Cold."}),
            chunk({"content": "It snows.", "reasoning_content": None}),
        ),
        "`reasoning_content`",
        called(*split_calls()),
        "fragments by index",
        with_usage(),
    ),
    "OpenRouter": Server(
        [
            head(),
            b": OPENROUTER PROCESSING\n\n",
            chunk(
                {
                    "content": "",
                    "reasoning": "Cold.",
                    "reasoning_details": [{"type": "reasoning.text", "text": "Cold."}],
                }
            ),
            *texts("It snows."),
            chunk({"content": ""}, "stop"),
            DONE,
        ],
        "`reasoning`, `reasoning_details`",
        called(*split_calls(), role="assistant", content=None),
        "fragments by index",
    ),
    "Mistral": Server(
        stream(
            chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Cold."}]}]}),
            *texts("It snows."),
        ),
        "parts of the content",
        stream(
            chunk({"content": "", "tool_calls": whole_calls({"id": "a", "index": 0}, {"id": "b", "index": 1})}),
            finish="tool_calls",
        ),
        "whole, in one chunk",
        with_usage(),
        stream(*texts("It snows in"), finish="model_length"),
    ),
    "Gemini": Server(
        content_with("<thought>Cold.", "</thought>", "It snows."),
        "`<thought>` in the text",
        called(*whole_calls({"id": "f-1"}, {"id": "f-2"}), {"extra_content": {"google": {"thought_signature": "A"}}}),
        "whole, without an index",
        with_usage(),
    ),
    "Groq": Server(
        stream(*texts("Cold.", key="reasoning"), *texts("It snows.")),
        "`reasoning`",
        called(*whole_calls({"id": "a", "index": 0}, {"id": "b", "index": 1})),
        "whole",
        with_usage(x_groq={"id": "r"}),
    ),
    "vLLM": Server(
        stream(chunk({"role": "assistant", "content": ""}), *texts("Cold.", key="reasoning"), *texts("It snows.")),
        "`reasoning` (before 0.16 `reasoning_content`)",
        called(*split_calls()),
        "fragments by index",
    ),
    "SGLang": Server(
        stream(
            chunk({"role": None, "content": None, "reasoning_content": "Cold.", "tool_calls": None}),
            *texts("It snows."),
        ),
        "`reasoning_content`",
        called(
            *whole_calls({"id": "a", "index": 0}, {"id": None, "index": 1}),
            role=None,
            content=None,
            reasoning_content=None,
        ),
        "by index, some without an id",
    ),
    "llama.cpp": Server(
        stream(
            chunk({"role": "assistant", "content": None}), *texts("Cold.", key="reasoning_content"), *texts("It snows.")
        ),
        "`reasoning_content`",
        called(*whole_calls({"id": "", "index": 0}, {"id": "", "index": 1})),
        "by index, without ids",
    ),
    "Ollama": Server(
        stream(
            *[chunk({"role": "assistant", "content": "", "reasoning": piece}) for piece in ("Co", "ld.")],
            *texts("It snows."),
        ),
        "`reasoning`",
        called(*whole_calls({"id": "call_a", "index": 0}, {"id": "call_b", "index": 0}), role="assistant", content=""),
        "whole, all with index 0",
    ),
    "LM Studio": Server(
        content_with("<think>", "\nCold.\n", "</think>", "\n\n", "It snows."),
        "`<think>` in the text",
        content_with(
            *(f'[TOOL_REQUEST]{{"name": "weather", "arguments": {a}}}[END_TOOL_REQUEST]\n' for a in ARGUMENTS)
        ),
        "`[TOOL_REQUEST]` in the text",
    ),
    "gpt-oss, unparsed": Server(
        content_with(
            "<|channel|>analysis<|message|>",
            "Cold.",
            "<|end|>",
            "<|start|>assistant<|channel|>final<|message|>",
            "It snows.",
        ),
        "harmony in the text",
        content_with(
            *(f"<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{a}<|call|>" for a in ARGUMENTS)
        ),
        "harmony in the text",
    ),
}


@pytest.fixture(autouse=True)
def settings_kept() -> Iterator[None]:
    """Restore DashScope's address and key, which are global."""
    kept = dashscope.base_http_api_url, dashscope.api_key
    yield
    dashscope.base_http_api_url, dashscope.api_key = kept


def ask(server: Server, *turns: Turn, tools: bool = False) -> Answer:
    with RawModel(*turns) as model:
        llm = {**model.llm(use_raw_api=True), "base_http_api_url": f"{model.address}/api/v1", **server.llm}
        functions = [Tool("weather", lambda city: f"It snows in {city}.")] if tools else []
        chat = ReasoningChat(FnCallAgent(llm=llm, function_list=functions), save=False)
        answer = chat.ask("What is the weather?")
        chat.close()
    return answer


def steps_of(answer: Answer) -> list[tuple[str, str]]:
    return [(step["type"], step["content"].strip()) for step in answer.steps]


def thoughts(server: Server) -> bool:
    return steps_of(ask(server, server.thought or [])) == [("thought", "Cold."), ("final_answer", "It snows.")]


def calls(server: Server) -> bool:
    end = dashscope_turn({"content": "Snow."}) if "dashscope" in str(server.llm) else content_with("Snow.")
    steps = steps_of(ask(server, server.calls, end, tools=True))
    results = [content for kind, content in steps if kind == "tool_result"]
    return (results, steps[-1]) == (["It snows in Oslo.", "It snows in Bergen."], ("final_answer", "Snow."))


def tokens(server: Server) -> bool:
    return ask(server, server.tokens).usage == {"input_tokens": 17, "output_tokens": 3}


def cut(server: Server) -> bool:
    answer = ask(server, server.cut)
    return (answer.status, answer.text) == ("failed", "It snows in") and "max_tokens" in (answer.error or "")


def row(name: str, server: Server) -> str:
    known = [
        server.where if server.thought is None or thoughts(server) else "wrong",
        server.how if calls(server) else "wrong",
        "counted" if tokens(server) else "wrong",
        "reported" if cut(server) else "wrong",
    ]
    return f"| {' | '.join([name, *known])} |"


@pytest.mark.parametrize("name", SERVERS)
def test_the_documentation_matches_what_arrives(name: str) -> None:
    table = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines() if line.startswith("| ")}

    assert lines.keys() == {"Server", "---", *SERVERS}
    made = row(name, SERVERS[name])
    assert "wrong" not in made
    assert lines[name] == made


def main() -> None:
    """Regenerate the table: ``python -m tests.agents.qwen.test_providers``."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    heading = [
        "| Server | Thoughts | Two calls at once | Tokens | Cut at `max_tokens` |",
        "| --- | --- | --- | --- | --- |",
    ]
    table = "\n".join([*heading, *(row(name, server) for name, server in SERVERS.items())])
    PAGE.write_text(f"{before}{START}\n{table}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
