"""Hosts beside Jupyter's own, which show a notebook: each as a process, with folders of its own."""

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


@contextlib.contextmanager
def serving(home: Path, environment: Mapping[str, str], module: str, *arguments: str | Path) -> Iterator[str]:
    """The address of a program that serves pages.

    Args:
        home: The folder it works in, where its log is kept in ``<module>.log``.
        environment: What is different in its environment.
        module: The program. It understands ``--port``.
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
    """The chats of a page, and what `ask` shows of them, once there are so many."""
    regions = page.get_by_role("region", name=CHAT_WITH)
    expect(regions).to_have_count(count, timeout=3 * PATIENCE_MS)  # the host starts a kernel first, and runs the cells
    return [Chat(region) for region in regions.all()]
