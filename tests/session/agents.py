"""Agents for worker processes, named `tests.session.agents:<name>`."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from reasoning_widget import BlockingAgent, current_run
from reasoning_widget.protocol import MimeBundle
from tests.parts import PNG


async def echo(prompt):
    """Answers with the prompt and the earlier answers."""
    before = [turn["answer"] for turn in current_run().history]
    yield {"type": "final_answer", "content": f"{prompt} {before}"}


async def process(prompt):
    yield {"type": "final_answer", "content": str(os.getpid())}


class Fast(BlockingAgent):
    """Yields as many tokens as the prompt says, as fast as it can."""

    def run_blocking(self, prompt, max_iterations, emit):
        text = ""
        for number in range(int(prompt)):
            text += f"w{number} "
            emit({"type": "final_answer", "id": "a", "content": text})


async def floods(prompt):
    """Yields as many steps as the prompt says, as fast as it can."""
    for number in range(int(prompt)):
        yield {"type": "thought", "content": f"Thought {number}."}


async def rambles(prompt):
    """Yields as many long steps as the prompt says."""
    for number in range(int(prompt)):
        yield {"type": "thought", "content": f"{number} ".ljust(20_000, "x")}


async def sleeps(prompt):
    """Writes its process id into the file that the prompt names, then sleeps."""
    yield {"type": "thought", "id": "t", "content": "Hm.", "status": "streaming"}
    Path(prompt).write_text(str(os.getpid()))
    time.sleep(1e6)


async def computes(prompt):
    """Like `sleeps`, but prevents Python itself from running."""
    yield {"type": "thought", "id": "t", "content": "Hm.", "status": "streaming"}
    await asyncio.sleep(0.1)  # long enough for the thought to leave
    Path(prompt).write_text(str(os.getpid()))
    re.match(r"(a+)+$", "a" * 60 + "b")


async def leaves_a_child(prompt):
    """Starts a program that does not end, and writes its process id into the file that the prompt names."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1e6)"])
    Path(prompt).write_text(str(child.pid))
    yield {"type": "thought", "id": "t", "content": "Started.", "status": "streaming"}
    time.sleep(1e6)


async def exits(prompt):
    yield {"type": "thought", "content": "Goodbye."}
    await asyncio.sleep(0.1)  # long enough for the thought to leave
    os._exit(int(prompt))


async def is_killed(prompt):
    yield {"type": "thought", "content": "Goodbye."}
    await asyncio.sleep(0.1)
    os.kill(os.getpid(), getattr(signal, prompt))


async def is_warm(prompt):
    """Waits until Qwen-Agent is imported, without importing it itself."""
    while "qwen_agent.agents" not in sys.modules:
        await asyncio.sleep(0.01)
    yield {"type": "final_answer", "content": "warm"}


async def prints(prompt):
    print("noise on standard output")
    os.write(1, b"more noise\n")
    yield {"type": "final_answer", "content": "quiet"}


async def raises(prompt):
    yield {"type": "thought", "content": "Hm."}
    raise ValueError(prompt)


async def asks(prompt):
    colour = await current_run().ask({"kind": "question", "prompt": "Which colour?"})
    yield {"type": "final_answer", "content": f"{colour}, then"}


async def is_steered(prompt):
    yield {"type": "thought", "content": "Go on."}
    heard: list[str] = []
    while not heard:
        heard = current_run().steering()
        await asyncio.sleep(0.01)
    yield {"type": "final_answer", "content": heard[0]}


async def leaves_a_thread(prompt):
    import threading

    threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
    yield {"type": "final_answer", "content": str(os.getpid())}


async def strange(prompt):
    """Yields values that JSON cannot represent, and takes back some text."""
    yield {"type": "tool_use", "content": "", "tool": {"name": "t", "arguments": "{}", "call_id": "1"}}
    yield {
        "type": "tool_result",
        "id": "r",
        "content": "",
        "tool": {"name": "t", "call_id": "1"},
        "output": {"text/plain": "a", "application/json": {"x": float("nan")}},
    }
    yield {
        "type": "tool_result",
        "id": "r",
        "content": "",
        "tool": {"name": "t", "call_id": "1"},
        "output": {"text/plain": "abc", "application/json": {"x": float("nan")}},
    }
    yield {"type": "final_answer", "id": "a", "content": "lone \ud800 half <tool"}
    await asyncio.sleep(0.05)
    yield {"type": "final_answer", "id": "a", "content": "lone \ud800 half"}


class Draws(BlockingAgent):
    """Calls two tools that draw: one shows its figure, the other leaves it open."""

    def run_blocking(self, prompt, max_iterations, emit):
        import matplotlib.pyplot as plt

        for number in range(2):
            step = {"type": "tool_result", "id": str(number), "content": "", "tool": {"name": "draw"}}
            shown: list[list[MimeBundle]] = []
            with current_run().capturing(shown.append):
                assert plt.get_fignums() == []
                plt.plot([1, number])
                if number == 0:
                    plt.show()
            emit({**step, "outputs": shown[-1]})
        emit({"type": "final_answer", "content": str(plt.get_backend())})


async def works(prompt):
    """Prints during a call."""
    yield {"type": "tool_use", "content": "", "tool": {"name": "t", "arguments": "{}"}}
    print("half")
    await asyncio.to_thread(print, "done")
    yield {"type": "tool_result", "content": "ready", "tool": {"name": "t"}}
    yield {"type": "final_answer", "content": "There."}


async def plans(prompt):
    """Appends to a step of a custom type."""
    yield {"type": "plan", "id": "p", "content": "", "status": "streaming"}
    for word in prompt.split():
        yield {"type": "plan", "id": "p", "append": f"{word} "}
        await asyncio.sleep(0.02)
    yield {"type": "plan", "id": "p", "append": "there.", "status": "done"}
    yield {"type": "final_answer", "content": "done"}


async def displays(prompt):
    """Displays outputs during a call, and updates one of them."""
    from IPython.display import HTML, display

    class Table:
        def _repr_html_(self):
            return "<table></table>"

    yield {"type": "tool_use", "content": "", "tool": {"name": "t", "arguments": "{}"}}
    handle = display(HTML("<i>half</i>"), display_id=True)
    display({"image/png": PNG}, raw=True)
    await asyncio.to_thread(display, Table())
    handle.update(HTML("<b>done</b>"))
    yield {"type": "tool_result", "content": "ready", "tool": {"name": "t"}}
    yield {"type": "final_answer", "content": "There."}


NAMES = {
    name: f"{__name__}:{name}"
    for name, value in list(globals().items())
    if getattr(value, "__module__", "") == __name__
} | {"looks": "tests.parts:Looks"}
