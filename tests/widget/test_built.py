"""Without a build of `js/`, the package can be imported, and anything that needs the build says how to make it."""

from __future__ import annotations

from pathlib import Path

import anywidget
import pytest

from reasoning_widget import ReasoningChat
from reasoning_widget.widget import built, core


@pytest.fixture
def nothing_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(built, "STATIC", tmp_path / "static")
    monkeypatch.setattr(core.Core, "shared", None)
    core.core_source.cache_clear()


@pytest.mark.usefixtures("nothing_built")
def test_a_chat_says_how_to_build_the_widget() -> None:
    with pytest.raises(FileNotFoundError, match=r"widget\.js does not exist: build the widget with .*`npm ci"):
        ReasoningChat(lambda prompt: prompt)


@pytest.mark.usefixtures("nothing_built")
def test_the_classes_of_widgets_can_be_defined() -> None:
    class View(anywidget.AnyWidget):
        _esm = built.built_module("run.js")

    assert "_esm" in vars(View)


@pytest.mark.usefixtures("nothing_built")
def test_with_make_dev_a_reloaded_page_gets_the_new_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONING_WIDGET_DEV", "1")
    built.STATIC.mkdir()
    for name in ("widget.js", "widget.css"):
        built.STATIC.joinpath(name).write_text("old", encoding="utf-8")
    hidden = core.Core(**core.core_source())
    built.STATIC.joinpath("widget.js").write_text("new", encoding="utf-8")

    state = hidden.get_state()

    core.core_source.cache_clear()
    assert (state["source"], state["style"]) == ("new", "old")
