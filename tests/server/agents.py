"""Agents that a test's server offers: `CONFIG` names them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from reasoning_widget import current_run

WORDS = 40


async def echo(prompt):
    """Says what it was told."""
    yield {"type": "thought", "content": "Repeat it."}
    yield {"type": "final_answer", "content": f"You said: {prompt}"}


async def limit(prompt, max_iterations):
    """Repeats the prompt, and names its limit."""
    yield {"type": "thought", "content": "Repeat it."}
    yield {"type": "final_answer", "content": f"{prompt}: {max_iterations} model calls"}


async def count(prompt):
    """Says as many words as it is told, one by one, after a thought and a call of a tool."""
    words, _, pause = prompt.partition(" ")
    yield {"type": "thought", "id": "t", "content": "I shall count.", "status": "done"}
    yield {
        "type": "tool_use",
        "content": "",
        "tool": {"name": "numbers", "arguments": f'{{"upto": {words}}}', "call_id": "1"},
    }
    yield {"type": "tool_result", "content": "ready", "tool": {"name": "numbers", "call_id": "1"}}
    text = ""
    for number in range(int(words)):
        text += f"word{number} "
        yield {"type": "final_answer", "id": "a", "content": text}
        await asyncio.sleep(float(pause or 0))


async def talk(prompt):
    """Says one word after the other, after a thought and a call of a tool, until there is a file of that name."""
    yield {"type": "thought", "content": "I shall talk."}
    yield {"type": "tool_use", "content": "", "tool": {"name": "voice", "arguments": "{}", "call_id": "1"}}
    yield {"type": "tool_result", "content": "loud", "tool": {"name": "voice", "call_id": "1"}}
    text, number = "", 0
    while not Path(prompt).exists():
        text, number = f"{text}word{number} ", number + 1
        yield {"type": "final_answer", "id": "a", "content": text}
        await asyncio.sleep(0.005)


async def table(prompt):
    """Calls a tool whose values are as long as it is told: a table, and a picture of it."""
    yield {"type": "tool_use", "content": "", "tool": {"name": "table", "arguments": "{}", "call_id": "1"}}
    output = {"text/plain": "a table", "application/json": {"cells": "x" * int(prompt)}, "image/png": "A" * int(prompt)}
    yield {"type": "tool_result", "content": "ready", "tool": {"name": "table", "call_id": "1"}, "output": output}
    yield {"type": "final_answer", "content": "There."}


async def reference(prompt):
    """Calls a tool whose value looks like one that is kept elsewhere."""
    output = {"application/json": {"blob": "of nothing", "size": 1}}
    yield {"type": "tool_result", "content": "ready", "tool": {"name": "table", "call_id": "1"}, "output": output}
    yield {"type": "final_answer", "content": "There."}


async def essay(prompt):
    """Thinks as many long thoughts as it is told."""
    for number in range(int(prompt)):
        yield {"type": "thought", "content": f"{number} " + "word " * 10_000}
    yield {"type": "final_answer", "content": "That was long."}


async def wait(prompt):
    """Thinks until it is stopped."""
    yield {"type": "thought", "id": "t", "content": "Hm.", "status": "streaming"}
    await asyncio.Event().wait()


def hang_now():
    time.sleep(1e6)


async def hang(prompt):
    """Blocks its thread for good."""
    yield {"type": "thought", "id": "t", "content": "Hm.", "status": "streaming"}
    hang_now()


async def burn(prompt):
    """Computes for good, and does not hear that it is to stop."""
    yield {"type": "thought", "id": "t", "content": "Hm.", "status": "streaming"}
    number = 0
    while True:
        with suppress(BaseException):
            while True:
                number += 1


async def segfault(prompt):
    """Takes its process down as a fault in a library does."""
    yield {"type": "thought", "content": "Goodbye."}
    await asyncio.sleep(0.1)  # as below
    os.kill(os.getpid(), signal.SIGSEGV)


async def crash(prompt):
    """Takes its process down."""
    yield {"type": "thought", "content": "Goodbye."}
    await asyncio.sleep(0.1)  # long enough for the thought to leave
    os._exit(3)


async def question(prompt):
    """Asks the person."""
    answer = await current_run().ask({"kind": "question", "prompt": "Which colour?"})
    yield {"type": "final_answer", "content": f"{answer}, then."}


NAMES = (
    "echo",
    "limit",
    "count",
    "talk",
    "table",
    "reference",
    "essay",
    "wait",
    "hang",
    "burn",
    "crash",
    "segfault",
    "question",
)
CONFIG = {**{name: f"tests.server.agents:{name}" for name in NAMES}, "looks": "tests.parts:Looks"}
