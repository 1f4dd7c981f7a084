"""The cost of watching a Qwen-Agent agent: the time of a run, compared with the same agent without us.

A scripted model in another process sends its answer over HTTP, with OpenAI's protocol, as fast as it is read. It is
measured twice: with the adapted agent alone, whose steps are read, and in a session whose batches are encoded for a
comm, which is everything that a kernel does for a chat except writing to its socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import ROUNDS, Claim, Report, median_ratio, noise, spread, take_turns
from benchmarks.tokens import markdown
from reasoning_widget.agents.manager import AgentManager
from reasoning_widget.agents.qwen import QwenAgent, import_qwen_agent
from reasoning_widget.protocol import encode
from reasoning_widget.session.runner import ThreadRunner
from reasoning_widget.session.session import Session
from reasoning_widget.session.sqlite import SQLiteLog
from reasoning_widget.widget.link import CommLink

MAX_RATIO = 1.10
ROOT = Path(__file__).resolve().parent.parent


def run(rounds: int = ROUNDS, tokens: int = 8000) -> Report:
    answer = markdown(tokens)
    lengths: set[int] = set()
    import_qwen_agent()
    logging.getLogger("qwen_agent_logger").setLevel(logging.WARNING)  # it logs what it sends
    with _model(answer) as address:
        llm = {"model": "scripted", "model_type": "oai", "model_server": address, "api_key": "none"}

        def timed(work: Any) -> Any:
            def measure() -> float:
                agent = _assistant(llm)
                begun = time.perf_counter()
                text = work(agent)
                taken = time.perf_counter() - begun
                lengths.add(len(text))
                return taken

            return measure

        candidates = {
            "bare": timed(_bare),
            "wrapped": timed(_wrapped),
            "bare again": timed(_bare),
            "chat": timed(_chat),
        }
        samples = take_turns(rounds, candidates)
    baseline = samples["bare"] + samples["bare again"]
    same = noise(samples["bare"], samples["bare again"])
    return Report(
        title="Watching a Qwen-Agent agent",
        about=__doc__,
        claims=[
            Claim(
                f"{tokens:,} tokens {what}, against the bare agent",
                median_ratio(samples[name], baseline),
                MAX_RATIO,
                "times",
                f"{name} {spread(samples[name])}, bare {spread(baseline)}",
                same,
            )
            for name, what in (("wrapped", "from the wrapped agent"), ("chat", "in a chat"))
        ],
        counts={"lengths of the answers": len(lengths), "code points": max(lengths)},
    )


@contextlib.contextmanager
def _model(answer: list[str]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        scripts = Path(folder) / "scripts.json"
        scripts.write_text(json.dumps([{"turns": [[{"text": answer}]]}]), encoding="utf-8")
        command = [sys.executable, "-m", "tests.scripted_model", "--scripts", str(scripts)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().strip()
            finally:
                process.terminate()


def _assistant(llm: dict[str, str]) -> Any:
    from qwen_agent.agents import Assistant  # already imported, in a way that leaves signal handlers alone

    return Assistant(llm=dict(llm))


def _bare(agent: Any) -> str:
    response: list[Any] = []
    for response in agent.run([{"role": "user", "content": "Speak."}]):  # noqa: B007 (the last one is wanted)
        pass
    return str(response[-1]["content"])


def _wrapped(agent: Any) -> str:
    return asyncio.run(QwenAgent(agent).run("Speak."))


def _chat(agent: Any) -> str:
    async def ask() -> str:
        async with _session(agent) as session:
            payload = {"message": "Speak.", "agent_name": "speaker"}
            session.handle({"type": "chat", "id": "question", "payload": payload})
            await session.wait_for(lambda: session.message_is_settled("question", session.epoch))
            return str(next(s["content"] for s in session.state["steps"].values() if s["type"] == "final_answer"))

    return asyncio.run(ask())


def _encode(message: object) -> None:
    """Encode a message as the comm does."""
    encode(message)


async def _no_forms(_message_id: str | None) -> dict[str, Any]:
    return {}


@contextlib.asynccontextmanager
async def _session(agent: Any) -> AsyncIterator[Session]:
    agents = AgentManager()
    agents.register("speaker", lambda: QwenAgent(agent))
    session = Session("benchmark", log=SQLiteLog(), agents=agents, runner=ThreadRunner(agents), agent_name="speaker")
    link = CommLink(session, _encode, lambda: None, lambda: None, _no_forms)
    try:
        yield session
    finally:
        link.close()
        session.close()
