"""Notebooks with chats in documentation built with Sphinx: the real myst-nb and nbsphinx show the transcript."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pypandoc
import pytest

from reasoning_widget.export.html import to_html
from reasoning_widget.export.log import SESSION_MIME, session_file
from reasoning_widget.export.markdown import to_markdown
from reasoning_widget.export.myst import Transcripts
from reasoning_widget.export.saved import folded
from tests.widget.test_executed import AGENT, executed

pytestmark = pytest.mark.slow

VIEW = "application/vnd.jupyter.widget-view+json"
ANSWER = "The answer is <em>forty-two</em>."


def event(seq: int, kind: str, **data: Any) -> Any:
    return {"type": kind, "seq": seq, "data": data}


def saved(answer: str) -> Any:
    """Return the file of a session that a notebook keeps."""
    times: Any = {"timestamp": 1.0}
    return session_file(
        "s",
        "e",
        [
            event(1, "user_message", id="m", content="What is it?", follows=None, **times),
            event(2, "run_started", run_id="r", message_id="m", agent_name="echo", enable_reasoning=True, **times),
            event(
                3,
                "reasoning_step",
                type="final_answer",
                id="a",
                run_id="r",
                iteration=1,
                status="done",
                content=answer,
                **times,
            ),
            event(4, "run_finished", run_id="r", status="completed", usage={}, duration=1.0),
        ],
    )


def bundle(answer: str, *, view: bool = True) -> dict[str, Any]:
    """Return what a kernel displays for a chat: with the live view, as hosts without our extension save it, or not."""
    file = saved(answer)
    live = {VIEW: {"version_major": 2, "version_minor": 0, "model_id": "gone"}} if view else {}
    state = folded(file)
    return {
        **live,
        SESSION_MIME: {**file, "model_id": "gone"},
        "text/html": to_html(state),
        "text/markdown": to_markdown(state),
        "text/plain": "<ReasoningChat with echo>",
    }


def notebook_with(*bundles: dict[str, Any]) -> Any:
    outputs = [nbformat.v4.new_output("display_data", data=data) for data in bundles]
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("chat", id="chat", execution_count=1, outputs=outputs)],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python", "pygments_lexer": "python"},
        },
    )


def documentation(folder: Path, notebook: Any, extension: str, builder: str = "html") -> str:
    """Build a notebook with Sphinx, with warnings as errors, and return the result."""
    source, made = folder / "source", folder / "made"
    source.mkdir()
    title = nbformat.v4.new_raw_cell("Title\n=====", id="title", metadata={"raw_mimetype": "text/restructuredtext"})
    if extension == "myst_nb":
        title = nbformat.v4.new_markdown_cell("# Title", id="title")
    nbformat.write(nbformat.from_dict({**notebook, "cells": [title, *notebook.cells]}), source / "index.ipynb")
    settings = f'extensions = ["{extension}"]\nnb_execution_mode = "off"\nnbsphinx_execute = "never"\n'
    (source / "conf.py").write_text(settings)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", builder, str(source), str(made)]
    path = f"{Path(pypandoc.get_pandoc_path()).parent}{os.pathsep}{os.environ['PATH']}"  # nbsphinx requires it
    run = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    page = {"latex": "projectnamenotset.tex", "text": "index.txt"}.get(builder, "index.html")
    return (made / page).read_text("utf-8")


@pytest.mark.parametrize("extension", ["myst_nb", "nbsphinx"])
def test_an_executed_notebook_shows_its_transcript(extension: str, tmp_path: Path) -> None:
    cells = (f"{AGENT}chat = ReasoningChat(echo)\nchat", "answer = chat.ask('forty-two')")
    page = documentation(tmp_path, executed(*cells), extension)

    assert page.count(ANSWER) == 2


@pytest.mark.parametrize("extension", ["myst_nb", "nbsphinx"])
def test_a_notebook_saved_by_jupyterlab_shows_its_transcript(extension: str, tmp_path: Path) -> None:
    page = documentation(tmp_path, notebook_with(bundle("It is **this**.", view=False)), extension)

    assert "It is <strong>this</strong>." in page


@pytest.mark.parametrize("builder", ["html", "dirhtml", "singlehtml"])
def test_myst_nb_shows_chats_saved_by_hosts_without_our_extension(builder: str, tmp_path: Path) -> None:
    page = documentation(tmp_path, notebook_with(bundle("It is **this**."), bundle("x")), "myst_nb", builder)

    assert page.count("It is <strong>this</strong>.") == 1
    assert "gone" not in page


@pytest.mark.parametrize("builder", ["latex", "text"])
def test_builders_without_html_use_another_form(builder: str, tmp_path: Path) -> None:
    page = documentation(tmp_path, notebook_with(bundle("It is this.", view=False)), "myst_nb", builder)

    assert "It is this." in page


@pytest.mark.parametrize(
    "broken",
    [
        {"version": 99},
        {"events": "none"},
        {"events": []},
        {"session_id": "../../etc"},
        {"format": "something.else"},
    ],
    ids=str,
)
def test_for_an_unreadable_session_the_page_uses_its_html(broken: dict[str, Any], tmp_path: Path) -> None:
    data = bundle("It is **this**.", view=False)
    data[SESSION_MIME] = {**data[SESSION_MIME], **broken}
    page = documentation(tmp_path, notebook_with(data), "myst_nb")

    assert "It is <strong>this</strong>." in page


def test_nothing_written_into_the_file_runs(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)> ![](https://evil.example/x.png)"
    page = documentation(tmp_path, notebook_with(bundle(hostile)), "myst_nb")

    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert 'src="https://evil.example' not in page


def test_other_types_are_rendered_by_myst_nb() -> None:
    other: Any = type("Data", (), {"mime_type": "text/html", "content": "<b>x</b>"})
    assert Transcripts.handle_mime(other, other, inline=False) is None
