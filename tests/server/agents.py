"""The agents of the tests' servers, which `CONFIG` names."""

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
    """Repeats the prompt."""
    yield {"type": "thought", "content": "Repeat it."}
    yield {"type": "final_answer", "content": f"You said: {prompt}"}


async def limit(prompt, max_iterations):
    """Repeats the prompt, and names its limit."""
    yield {"type": "thought", "content": "Repeat it."}
    yield {"type": "final_answer", "content": f"{prompt}: {max_iterations} model calls"}


async def count(prompt):
    """Answers with as many words as the prompt says, one by one, after a thought and a tool call."""
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
    """Answers word by word, after a thought and a tool call, until the file that the prompt names exists."""
    yield {"type": "thought", "content": "I shall talk."}
    yield {"type": "tool_use", "content": "", "tool": {"name": "voice", "arguments": "{}", "call_id": "1"}}
    yield {"type": "tool_result", "content": "loud", "tool": {"name": "voice", "call_id": "1"}}
    text, number = "", 0
    while not Path(prompt).exists():
        text, number = f"{text}word{number} ", number + 1
        yield {"type": "final_answer", "id": "a", "content": text}
        await asyncio.sleep(0.005)


async def table(prompt):
    """Calls a tool that displays a table and a picture, each as long as the prompt says."""
    yield {"type": "tool_use", "content": "", "tool": {"name": "table", "arguments": "{}", "call_id": "1"}}
    output = {"text/plain": "a table", "application/json": {"cells": "x" * int(prompt)}, "image/png": "A" * int(prompt)}
    yield {"type": "tool_result", "content": "ready", "tool": {"name": "table", "call_id": "1"}, "output": output}
    yield {"type": "final_answer", "content": "There."}


async def reference(prompt):
    """Calls a tool that displays a value which looks like a reference to a stored one."""
    output = {"application/json": {"blob": "of nothing", "size": 1}}
    yield {"type": "tool_result", "content": "ready", "tool": {"name": "table", "call_id": "1"}, "output": output}
    yield {"type": "final_answer", "content": "There."}


async def essay(prompt):
    """Has as many long thoughts as the prompt says."""
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
    """Blocks its thread forever."""
    yield {"type": "thought", "id": "t", "content": "Hm.", "status": "streaming"}
    hang_now()


async def burn(prompt):
    """Computes forever, and ignores the request to stop."""
    yield {"type": "thought", "id": "t", "content": "Hm.", "status": "streaming"}
    number = 0
    while True:
        with suppress(BaseException):
            while True:
                number += 1


async def segfault(prompt):
    """Crashes its process like a fault in a library."""
    yield {"type": "thought", "content": "Goodbye."}
    await asyncio.sleep(0.1)  # as below
    os.kill(os.getpid(), signal.SIGSEGV)


async def crash(prompt):
    """Ends its process."""
    yield {"type": "thought", "content": "Goodbye."}
    await asyncio.sleep(0.1)  # long enough for the thought to leave
    os._exit(3)


async def question(prompt):
    """Asks the person a question."""
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
