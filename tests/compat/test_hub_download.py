"""Canary: the hub's client appends to an open file, shows no progress bar, and ends when the file raises."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from reasoning_widget.compat.hub_download import append

CONTENT = bytes(range(256)) * 4_096


class Handler(BaseHTTPRequestHandler):
    """Serves the content from the requested position."""

    def do_GET(self) -> None:
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(CONTENT[start:])

    def log_message(self, *args: Any, **kwargs: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/model.gguf"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("there", [0, 1_000])
def test_the_missing_bytes_are_appended(url: str, there: int, capfd: pytest.CaptureFixture[str]) -> None:
    file = io.BytesIO()
    file.write(CONTENT[:there])

    append(url, file, len(CONTENT))

    assert file.getvalue() == CONTENT
    assert capfd.readouterr().err == ""


def test_an_exception_of_the_file_ends_the_download(url: str) -> None:
    class Cancelled(Exception):
        pass

    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise Cancelled

    with pytest.raises(Cancelled):
        append(url, Full(), len(CONTENT))
