from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def address() -> Iterator[str]:
    program = Path(__file__).with_name("scripted_model.py")
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip().removesuffix("/v1")
        process.terminate()


def post(url: str, value: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(value).encode(), {"Content-Type": "application/json"})
    return urllib.request.urlopen(request)


def test_the_server_follows_posted_scripts(address: str) -> None:
    turn = [{"reasoning": "Hm. "}, {"text": "Wait"}, {"gate": "here"}, {"text": " done"}]
    post(f"{address}/script", {"match": "hello", "turns": [turn]}).close()
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello there"}]}

    with post(f"{address}/v1/chat/completions", body) as answer:
        text = ""
        for line in answer:
            if line.startswith(b"data: {"):
                delta = json.loads(line[6:])["choices"][0]["delta"]
                text += delta.get("reasoning_content") or delta.get("content") or ""
            if text.endswith("Wait"):
                post(f"{address}/gate/here", {}).close()

    assert text == "Hm. Wait done"
    with urllib.request.urlopen(f"{address}/requests") as requests:
        assert [(r["body"]["model"], r["finished"]) for r in json.load(requests)] == [("m", True)]


def test_without_a_script_the_server_repeats_the_message(address: str) -> None:
    with post(f"{address}/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}) as answer:
        assert json.load(answer)["choices"][0]["message"]["content"] == "You said: hello"
