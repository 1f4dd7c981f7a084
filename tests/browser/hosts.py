"""Hosts other than JupyterLab that show a notebook, each in a process with its own folders."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.chat import CHAT_WITH, Chat
from tests.browser.conftest import PATIENCE_MS
from tests.browser.look import background, brightness, contrasts
from tests.browser.test_look import LIGHT_COLOURS, READABLE
from tests.scripted_model import ScriptedModel, gate, say, think


@contextlib.contextmanager
def serving(home: Path, environment: Mapping[str, str], module: str, *arguments: str | Path) -> Iterator[str]:
    """Start a program that serves pages, and yield its address.

    Args:
        home: Its working directory, which also holds its log, ``<module>.log``.
        environment: The changes of its environment.
        module: The program, which must support ``--port``.
        arguments: Its command line, without the port.

    Raises:
        RuntimeError: It did not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command: Sequence[str | Path] = [sys.executable, "-m", module, *arguments, f"--port={port}"]
    log = home / f"{module}.log"
    with log.open("wb") as said:
        server = subprocess.Popen(command, env={**os.environ, **environment}, cwd=home, stdout=said, stderr=said)
    try:
        while not _answers(port):
            if server.poll() is not None:
                raise RuntimeError(f"{module} did not start:\n{log.read_text('utf-8')}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def chats(page: Page, count: int) -> list[Chat]:
    """The chats of a page and the views of `ask`, once there are this many."""
    regions = page.get_by_role("region", name=CHAT_WITH)
    expect(regions).to_have_count(count, timeout=3 * PATIENCE_MS)  # the host first starts a kernel and runs the cells
    return [Chat(region) for region in regions.all()]


def script_story(model: ScriptedModel) -> None:
    """Let the model tell a story that waits in the middle, at the gate `answering`."""
    model.script("story", [[think("A story."), say("Once upon "), gate("answering"), say("a time.")]])


def expect_chat_and_asked(page: Page, model: ScriptedModel, theme: str) -> None:
    """Check that a chat and an `ask` are shown and readable in the theme, and that a sent prompt streams."""
    chat, asked = chats(page, 2)
    for each in (chat, asked):
        expect(each.card("Final answer")).to_contain_text("Very well.")
        expect(each.card("Final answer")).to_have_attribute("data-status", "done")
    expect(page.get_by_text("It said: Very well.")).to_be_visible()

    chat.ask("Tell me a story")
    answer = chat.card("Final answer", 1)
    expect(answer).to_contain_text("Once upon")
    expect(answer).to_have_attribute("data-status", "streaming")
    model.open("answering")
    expect(answer).to_have_attribute("data-status", "done")
    expect(answer).to_contain_text("Once upon a time.")
    chat.expect_ready()
    expect(asked.questions).to_have_count(1)

    for each in (chat, asked):
        assert [text for text, ratio in contrasts(each.region) if ratio < READABLE] == []
        card = each.card("Final answer")
        assert background(card) == LIGHT_COLOURS["final_answer"] if theme == "light" else brightness(card) < 0.2
