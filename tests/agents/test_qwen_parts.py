"""Prompts with images and files for Qwen-Agent agents."""

from __future__ import annotations

import base64
import io
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from qwen_agent import Agent
from qwen_agent.agents import Assistant, FnCallAgent, ReActChat
from qwen_agent.agents.doc_qa import ParallelDocQA
from qwen_agent.llm.schema import ContentItem, Message
from qwen_agent.tools import retrieval
from qwen_agent.tools.base import BaseTool, BaseToolWithFileAccess

from reasoning_widget.agents.base import RunContext, Turn, as_current_run, current_run
from reasoning_widget.agents.qwen import QwenAgent
from reasoning_widget.agents.qwen.attachments import attachments_folder
from reasoning_widget.parts import as_message
from tests.scripted_model import ScriptedModel, call

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the document readers warn about their own code when they are imported
    retrieval._check_deps_for_rag()


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        yield model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONING_WIDGET_CACHE", str(tmp_path / "cache"))


def png() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(written, "PNG")
    return written.getvalue()


ADDRESS = f"data:image/png;base64,{base64.b64encode(png()).decode()}"


def seeing(model: ScriptedModel) -> dict[str, Any]:
    """A model that supports images."""
    return {**model.llm(), "model_type": "qwenvl_oai"}


def asked(agent: Any, parts: Any, history: list[Turn] | None = None) -> list[dict[str, Any]]:
    """Ask with these parts, as a run would; return the newest snapshot of each step."""
    steps: dict[str, dict[str, Any]] = {}
    adapter = QwenAgent(agent)
    assert adapter.takes_parts
    with as_current_run(RunContext(history=history)):
        adapter.run_blocking(as_message(parts), 20, lambda step: steps.update({step["id"]: dict(step)}))
    return list(steps.values())


def contents(model: ScriptedModel, request: int = -1) -> list[Any]:
    """The contents of the user messages in a request."""
    return [each["content"] for each in model.requests[request].body["messages"] if each["role"] == "user"]


def test_a_vision_model_gets_the_image_unchanged(model: ScriptedModel) -> None:
    model.script("What is this?", ["A red picture."])

    steps = asked(Assistant(llm=seeing(model)), [{"text": "What is this?"}, {"image": png()}])

    assert steps[-1]["content"] == "A red picture."
    assert contents(model) == [
        [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": ADDRESS}}]
    ]


def test_a_text_model_gets_the_name_of_an_image(model: ScriptedModel, tmp_path: Path) -> None:
    (tmp_path / "red plot.png").write_bytes(png())

    asked(Assistant(llm=model.llm()), [{"text": "What is this?"}, {"image": tmp_path / "red plot.png"}])

    (content,) = contents(model)
    assert "red plot.png" in str(content)
    assert "What is this?" in str(content)
    assert "base64" not in str(content)


class Counter(BaseToolWithFileAccess):  # type: ignore[misc]
    """Returns the sizes of its files."""

    name = "count_bytes"
    description = "Counts bytes."
    parameters = {"type": "object", "properties": {}, "required": []}

    def call(self, params: Any, files: list[str] | None = None, **kwargs: Any) -> str:
        return ", ".join(f"{Path(file).name}: {Path(file).stat().st_size}" for file in files or [])


def test_tools_get_files_and_the_model_gets_the_image(model: ScriptedModel) -> None:
    model.script("Count", [[call("count_bytes", {})], "Counted."])
    agent = Assistant(llm=seeing(model), function_list=[Counter()])

    steps = asked(
        agent,
        [{"text": "Count"}, {"image": png(), "name": "red.png"}, {"file": b"a,b\n", "name": "my table.csv"}],
    )

    (result,) = [step for step in steps if step["type"] == "tool_result" and step["tool"]["name"] == "count_bytes"]
    assert sorted(result["content"].split(", ")) == ["my table.csv: 4", f"red.png: {len(png())}"]
    content = contents(model)[0]
    assert any(part["type"] == "image_url" and part["image_url"]["url"].startswith("data:image/") for part in content)
    assert "red.png" in str([part for part in content if part["type"] == "text"])


def test_an_agent_that_writes_its_calls_as_text_finds_the_file(model: ScriptedModel) -> None:
    turns = ["Thought: I count.\nAction: count_bytes\nAction Input: {}", "Thought: I know.\nFinal Answer: Counted."]
    model.script("Count", turns)
    agent = ReActChat(llm=model.llm(), function_list=[Counter()])

    steps = asked(agent, [{"text": "Count"}, {"file": b"a,b\n", "name": "table.csv"}])

    assert [step["content"] for step in steps if step["type"] == "tool_result"] == ["table.csv: 4"]
    assert "table.csv" in str(contents(model, 0))


POEM = "The harbour of the town freezes in January, and the heron leaves."


def test_a_file_reaches_retrieval(model: ScriptedModel) -> None:
    steps = asked(
        Assistant(llm=model.llm(), rag_cfg={"rag_keygen_strategy": "none", "rag_searchers": ["front_page_search"]}),
        [{"text": "When does it freeze?"}, {"file": POEM.encode(), "name": "poem.txt"}],
    )

    assert steps[-1]["type"] == "final_answer"
    system = next(each["content"] for each in model.requests[-1].body["messages"] if each["role"] == "system")
    assert POEM in system
    assert "poem.txt" in system


def test_parallel_doc_qa_answers_about_a_file(model: ScriptedModel) -> None:
    model.script("When does it freeze?", ['{"res": "ans", "content": "In January."}'])

    steps = asked(
        ParallelDocQA(llm=model.llm()),
        [{"text": "When does it freeze?"}, {"file": POEM.encode(), "name": "poem.txt"}],
    )

    assert steps[-1]["type"] == "final_answer"
    assert any(POEM in str(request.body["messages"]) for request in model.requests)


class Storyteller(Agent):  # type: ignore[misc]
    """Like `visual_storytelling` in Qwen-Agent's examples: one agent describes images, the other writes."""

    def __init__(self, sees: Any, writes: Any) -> None:
        super().__init__()
        self.image_agent = Assistant(llm=sees)
        self.others = {"writers": [Assistant(llm=writes)]}

    def _run(self, messages: list[Message], lang: str = "en", **kwargs: Any) -> Iterator[list[Message]]:
        assert isinstance(messages[-1]["content"], list)
        assert any(item.image for item in messages[-1]["content"])
        new = [*messages[:-1], Message("user", [*messages[-1].content, ContentItem(text="Describe the image.")])]
        response: list[Message] = []
        rsp: list[Message] = []
        for rsp in self.image_agent.run(new, lang=lang):
            yield response + rsp
        response += rsp
        new += [*rsp, Message("user", "Write a story about it.")]
        for rsp in self.others["writers"][0].run(new, lang=lang):
            yield response + rsp


def test_a_vision_agent_and_a_text_agent_work_together(model: ScriptedModel) -> None:
    model.script("Describe the image.", ["A red square."])
    model.script("Write a story", ["Once upon a square."])

    steps = asked(Storyteller(seeing(model), model.llm()), [{"text": "A story"}, {"image": png(), "name": "red.png"}])

    assert steps[-1]["content"] == "Once upon a square."
    looked, wrote = contents(model, 0), contents(model, 1)
    assert any(part["type"] == "image_url" for part in looked[0])
    assert "base64" not in str(wrote)
    assert "red.png" in str(wrote)


def test_follow_ups_include_the_earlier_image(model: ScriptedModel) -> None:
    parts: Any = as_message([{"text": "What is this?"}, {"image": png()}])
    turn: Turn = {"prompt": "What is this?\n\n[image: image.png]", "parts": parts, "answer": "Red.", "steps": []}

    asked(Assistant(llm=seeing(model)), "Are you sure?", [turn])

    assert contents(model)[0][1] == {"type": "image_url", "image_url": {"url": ADDRESS}}
    assert contents(model)[1] == [{"type": "text", "text": "Are you sure?"}]


async def test_without_a_session_attachments_are_passed_as_paths(model: ScriptedModel, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(png())
    agent = QwenAgent(Assistant(llm=seeing(model)))
    parts = [{"text": "What is this?"}, {"image": str(tmp_path / "red.png")}]

    assert await agent.run(parts) == "You said: What is this?"
    assert [step["type"] async for step in agent.run_with_reasoning_stream(parts)][-1] == "final_answer"
    assert [contents(model, index)[0][1]["image_url"]["url"] for index in (0, 1)] == [ADDRESS, ADDRESS]


class Look(BaseTool):  # type: ignore[misc]
    """Returns the parts of the run."""

    name = "look"
    description = "Looks."
    parameters = {"type": "object", "properties": {}, "required": []}

    def call(self, params: Any, **kwargs: Any) -> str:
        return str([next(iter(part)) for part in current_run().parts])


async def test_tools_can_read_the_parts_of_the_prompt(model: ScriptedModel) -> None:
    model.script("Look", [[call("look", {})], "Seen."])
    agent = QwenAgent(FnCallAgent(llm=model.llm(), function_list=[Look()]))

    steps = [step async for step in agent.run_with_reasoning_stream([{"text": "Look"}, {"image": png()}])]

    assert "['text', 'image']" in [step["content"] for step in steps]


def test_files_keep_their_names_as_far_as_file_systems_allow(model: ScriptedModel) -> None:
    long = "ä" * 190 + ".txt"
    parts: list[dict[str, Any]] = [{"text": "?"}, {"file": b"1", "name": "a #1?.txt"}, {"file": b"2", "name": long}]

    asked(FnCallAgent(llm=model.llm()), parts)

    names = sorted(path.name for path in attachments_folder().glob("*/*"))
    assert names[0] == "a _1_.txt"
    assert names[1].endswith("ä.txt")
    assert len(names[1].encode()) <= 255
    assert attachments_folder().stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["../../out.txt", "/tmp/out.txt", "..\\out.txt", "..", "\0"])
def test_a_name_cannot_leave_the_attachments_folder(model: ScriptedModel, name: str) -> None:
    turn: Turn = {"prompt": "?", "parts": [{"file": "data:,1", "name": name}], "answer": "", "steps": []}

    asked(FnCallAgent(llm=model.llm()), [{"text": "?"}, {"file": "data:,1", "name": name}], [turn])

    written = [path for path in attachments_folder().parent.rglob("*") if path.is_file()]
    assert {path.parent.parent for path in written} == {attachments_folder()}


def test_attachments_that_were_not_used_for_a_week_are_deleted(model: ScriptedModel) -> None:
    agent = FnCallAgent(llm=model.llm())
    for number in range(2):
        asked(agent, [{"text": "?"}, {"file": bytes([number]), "name": f"{number}.txt"}])
    (old,) = attachments_folder().glob("*/0.txt")
    month_ago = time.time() - 30 * 24 * 3600
    os.utime(old.parent, (month_ago, month_ago))

    asked(agent, [{"text": "?"}, {"file": b"\x02", "name": "2.txt"}])

    assert sorted(path.name for path in attachments_folder().glob("*/*")) == ["1.txt", "2.txt"]
    asked(agent, [{"text": "?"}, {"file": b"\x00", "name": "0.txt"}])
    assert old.read_bytes() == b"\x00"


def test_an_attachment_that_cannot_be_written_is_an_error(
    model: ScriptedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("REASONING_WIDGET_CACHE", str(tmp_path / "file" / "cache"))

    with pytest.raises(Exception, match=r"a\.txt cannot be written .*REASONING_WIDGET_CACHE"):
        asked(FnCallAgent(llm=model.llm()), [{"text": "?"}, {"file": b"1", "name": "a.txt"}])
