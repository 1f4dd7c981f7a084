"""Pictures and tables that tools return, in cards and exports, and summarized for the model."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from qwen_agent.agents import FnCallAgent
from qwen_agent.llm.schema import ContentItem

from reasoning_widget import ReasoningChat
from reasoning_widget.agents.qwen import results as results_module
from reasoning_widget.export.log import SESSION_MIME
from reasoning_widget.protocol import ReasoningStep
from tests.agents.qwen.tools import Tool
from tests.scripted_model import ScriptedModel, call


def png(colour: str) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (6, 4), colour).save(written, "png")
    return written.getvalue()


def encoded(colour: str) -> str:
    return base64.b64encode(png(colour)).decode()


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as model:
        yield model


@pytest.fixture
def returned(model: ScriptedModel) -> Iterator[Callable[..., Any]]:
    """A chat in which a tool has returned a value, the step of the result, and the text for the model."""
    chats: list[ReasoningChat] = []

    def run(function: Callable[[], Any], **llm: Any) -> tuple[ReasoningChat, ReasoningStep, str]:
        model.script("show", [[call("show", {})], "Shown."])
        chat = ReasoningChat(FnCallAgent(llm=model.llm(**llm), function_list=[Tool("show", function)]))
        chats.append(chat)
        answer = chat.ask("show")
        assert answer.status == "completed", answer.error
        result = next(step for step in answer.steps if step["type"] == "tool_result")
        return chat, result, json.dumps(model.requests[-1].messages, ensure_ascii=False)

    yield run
    for chat in chats:
        chat.close()


def exports(chat: ReasoningChat) -> dict[str, str]:
    """Everything that shows pictures, as text."""
    saved = chat._snapshot(None)
    return {
        "html": chat.to_html(),
        "markdown": chat.to_markdown(),
        "notebook": json.dumps(chat.to_notebook()),
        "json": chat.to_json(),
        "saved data": json.dumps(saved[SESSION_MIME]),
        "saved page": saved["text/html"],
    }


def assert_exported(chat: ReasoningChat, *pictures: str) -> None:
    for name, text in exports(chat).items():
        for picture in pictures:
            assert picture in text, name


def test_a_picture_named_in_a_text_is_shown(returned: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "my plot (1).png").write_bytes(png("red"))

    chat, result, _ = returned(lambda: f"stdout:\n\n```\ndone\n```\n\n![fig-001]({tmp_path}/my plot (1).png)")

    assert result["outputs"] == [{"image/png": encoded("red")}]
    assert "done" in result["content"]
    assert_exported(chat, encoded("red"))


def test_two_pictures_of_one_type_are_both_shown(returned: Callable[..., Any], tmp_path: Path) -> None:
    for colour in ("red", "blue"):
        (tmp_path / f"{colour}.png").write_bytes(png(colour))
    text = f"![a]({tmp_path}/red.png) and ![b](file://{tmp_path}/blue.png), again ![a]({tmp_path}/red.png)"

    chat, result, _ = returned(lambda: text)

    assert result["outputs"] == [{"image/png": encoded("red")}, {"image/png": encoded("blue")}]
    assert_exported(chat, encoded("red"), encoded("blue"))


def test_two_pictures_in_a_list_of_content_items_are_both_shown(returned: Callable[..., Any]) -> None:
    items = [ContentItem(image=f"data:image/png;base64,{encoded(colour)}") for colour in ("red", "blue")]

    chat, result, _ = returned(lambda: [ContentItem(text="two"), *items])

    assert result["outputs"] == [{"image/png": encoded("red")}, {"image/png": encoded("blue")}]
    assert_exported(chat, encoded("red"), encoded("blue"))


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/plot.png",
        "http://[example/plot.png",
        "file://[example/plot.png",
        "//example.org/plot.png",
        "file://example.org/plot.png",
        "{folder}/missing.png",
        "{folder}/secret.txt",
        "{folder}/secret.png",
        "{folder}/huge.png",
        "{folder}",
        "javascript:alert(1)",
        "a" * 5000,
        "nul\0l.png",
    ],
)
def test_names_of_other_files_and_addresses_remain_text(
    returned: Callable[..., Any], tmp_path: Path, address: str
) -> None:
    (tmp_path / "secret.txt").write_text("hidden")
    (tmp_path / "secret.png").write_text("hidden")  # not a picture, despite its name
    with (tmp_path / "huge.png").open("wb") as huge:
        huge.write(png("red"))
        huge.truncate(9 * 1024 * 1024)

    _, result, _ = returned(lambda: f"![x]({address.replace('{folder}', str(tmp_path))})")

    assert "outputs" not in result
    assert "![x]" in result["content"]


def test_a_data_frame_is_shown_as_a_table_and_summarized_for_the_model(returned: Callable[..., Any]) -> None:
    table = pd.DataFrame({"town": [f"town {n}" for n in range(40)], "people": range(40)})

    chat, result, told = returned(lambda: table)

    assert "<table" in result["outputs"][0]["text/html"]
    assert result["content"].startswith("DataFrame with 40 rows and 2 columns; the first 5:")
    assert "town 4" in told
    assert "town 39" not in told
    assert chat.results[result["id"]] is table
    for name in ("html", "markdown", "notebook"):
        assert "town 39" in exports(chat)[name]


def test_a_series_is_summarized_for_the_model(returned: Callable[..., Any]) -> None:
    series = pd.Series(range(1_000), name="count")

    chat, result, told = returned(lambda: series)

    assert result["content"].startswith("Series with 1,000 values; the first 5:")
    assert "999" not in told
    assert chat.results[result["id"]] is series


def test_a_picture_object_is_shown_and_available_as_value(returned: Callable[..., Any]) -> None:
    image = Image.new("RGB", (6, 4), "green")

    chat, result, told = returned(lambda: image)

    (picture,) = result["outputs"][0].values()
    assert Image.open(io.BytesIO(base64.b64decode(picture))).getpixel((0, 0)) == (0, 128, 0)
    assert "PIL.Image.Image" in told
    assert picture not in told
    assert chat.results[result["id"]] is image
    assert_exported(chat, picture)


class Figure:
    """Has the methods of Matplotlib's figures."""

    __module__ = "matplotlib.figure"

    def __repr__(self) -> str:
        return "<Figure size 640x480 with 1 Axes>"

    def savefig(self, file: Any, format: str, bbox_inches: str) -> None:  # noqa: A002 (Matplotlib's name)
        assert format == "png"
        file.write(png("red"))


def test_a_figure_is_shown_without_a_backend(returned: Callable[..., Any]) -> None:
    figure = Figure()

    chat, result, told = returned(lambda: figure)

    assert result["outputs"] == [{"image/png": encoded("red")}]
    assert "<Figure size 640x480 with 1 Axes>" in told
    assert chat.results[result["id"]] is figure
    assert_exported(chat, encoded("red"))


def test_objects_in_lists_and_dictionaries_are_all_shown(returned: Callable[..., Any]) -> None:
    value = {"plots": [Figure(), Image.new("RGB", (6, 4), "blue")], "table": pd.DataFrame({"a": [1]}), "count": 2}

    chat, result, told = returned(lambda: value)

    first, second, third = result["outputs"]
    assert first == {"image/png": encoded("red")}
    assert "image/png" in second
    assert "<table" in third["text/html"]
    assert "table: DataFrame with 1 rows" in result["content"]
    assert "count: 2" in told
    assert chat.results[result["id"]] is value


def test_an_object_without_formats_is_shown_by_its_repr(returned: Callable[..., Any]) -> None:
    class Thing:
        def __repr__(self) -> str:
            return "<Thing " + "x" * 10_000 + ">"

    _, result, told = returned(Thing)

    assert result["content"].startswith("<Thing xxx")
    assert len(told) < 5_000
    assert "outputs" not in result


def test_a_kernel_uses_the_persons_formatters(returned: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    class Molecule:
        pass

    shell = InteractiveShell()
    assert shell.display_formatter is not None
    shell.display_formatter.formatters["text/html"].for_type(Molecule, lambda _: "<b>H2O</b>")
    monkeypatch.setattr(results_module, "_shell", lambda: shell)

    _, result, _ = returned(Molecule)

    assert result["outputs"] == [{"text/html": "<b>H2O</b>"}]


def test_plain_data_stays_json(returned: Callable[..., Any]) -> None:
    _, result, told = returned(lambda: {"rows": [1, 2]})

    assert json.loads(result["content"]) == {"rows": [1, 2]}
    assert "rows" in told


class Unwilling:
    """Raises on every access."""

    def __repr__(self) -> str:
        raise LookupError

    @property
    def shape(self) -> tuple[int, ...]:
        raise LookupError


def holding_itself() -> dict[str, Any]:
    made: dict[str, Any] = {"count": 2}
    made["again"] = [made, made]
    return made


def nested(depth: int) -> list[Any]:
    made: list[Any] = [{1}]
    for _ in range(depth):
        made = [made]
    return made


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Unwilling, "Unwilling"),
        (lambda: [Unwilling(), 7], "7"),
        (holding_itself, "count: 2"),
        (lambda: nested(5_000), "list"),
    ],
)
def test_an_object_that_raises_when_formatted_does_not_fail_the_run(
    returned: Callable[..., Any], make: Callable[[], Any], said: str
) -> None:
    value = make()

    chat, result, told = returned(lambda: value)

    assert result["status"] == "done"
    assert said in result["content"]
    assert said in told
    assert chat.results[result["id"]] is value


@pytest.mark.parametrize("text", ["a name \ud800", "![a picture](" + " " * 20_000])
def test_a_result_with_any_characters_reaches_the_model(returned: Callable[..., Any], text: str) -> None:
    _, result, told = returned(lambda: text)

    assert result["status"] == "done"
    assert text[:6] in told


def test_a_tool_that_exits_the_program_is_a_named_failure(model: ScriptedModel) -> None:
    def leave() -> None:
        raise SystemExit("usage: tool FILE")

    model.script("show", [[call("show", {})]])
    chat = ReasoningChat(FnCallAgent(llm=model.llm(), function_list=[Tool("show", leave)]))
    answer = chat.ask("show")
    chat.close()

    result = next(step for step in answer.steps if step["type"] == "tool_result")
    assert (answer.status, result["status"]) == ("failed", "failed")
    assert "usage: tool FILE" in result["content"]


def test_an_error_with_any_characters_reaches_the_model(returned: Callable[..., Any]) -> None:
    def fail() -> None:
        raise OSError("no file \ud800")

    _, result, told = returned(fail)

    assert result["status"] == "failed"
    assert "no file" in told
