"""The process that runs the local model: one for all kernels of one user.

It serves llama.cpp's OpenAI-compatible API on the loopback interface, to whoever has the random key in its state file,
and ends when it has not been used for a while. Started by `server.running_server`, never by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import time
from pathlib import Path
from typing import Any

import filelock

CONTEXT_TOKENS = 4096
"""What one question may take, with its tool results and the answer."""
PARALLEL = 2
"""Questions answered at once. The routing prompt and the answers of one chat also keep a place each."""


def main() -> None:
    """Serve until idle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="the GGUF file")
    parser.add_argument("--state", required=True, type=Path, help="the file that tells clients where to find it")
    parser.add_argument("--idle", required=True, type=float, help="seconds without use after which it ends")
    arguments = parser.parse_args()
    key = secrets.token_urlsafe(32)
    server = start(arguments.model, key)
    _warm_up(server)
    publish(arguments.state, {"url": server.listening_address, "key": key, "pid": os.getpid()})
    _until_idle(server, arguments.idle, arguments.state)
    os._exit(0)  # nothing is left to save, and llama.cpp's threads need not be waited for


def start(model: str, key: str) -> Any:
    """Load `model` and serve it. The library's defaults would let any web page use it, without a key."""
    import xllamacpp  # noqa: PLC0415 (only this process needs it)

    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.model_alias = ["embedded"]
    parameters.n_ctx = CONTEXT_TOKENS * PARALLEL
    parameters.n_parallel = PARALLEL
    parameters.n_gpu_layers = 0
    parameters.use_jinja = True
    parameters.no_extra_bufts = True
    parameters.offline = True
    parameters.cpuparams.n_threads = 1  # two would spin while they wait for each other, and crawl beside a busy process
    parameters.cpuparams_batch.n_threads = _prompt_threads()
    parameters.cpuparams_batch.poll = 0  # waits without spinning
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [key]
    parameters.cors_origins = ""
    parameters.endpoint_slots = False
    parameters.endpoint_metrics = True  # `_until_idle` reads them; over HTTP they need the key
    parameters.ui = False
    parameters.cache_ram_mib = 64
    parameters.verbosity = 0
    return xllamacpp.Server(parameters)


def _prompt_threads() -> int:
    """One core is left to the notebook; more than four are of no use to a model this small."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(4, max(1, cores - 1))


def _warm_up(server: Any) -> None:
    """Answer once, so that the weights are read before the first question."""
    server.handle_chat_completions(
        json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, "stream": False}), lambda _: None
    )


def publish(path: Path, state: dict[str, Any]) -> None:
    """Write the state file, readable for its user alone, at once and whole."""
    draft = path.with_suffix(f".{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(state, file)
    draft.replace(path)


def _until_idle(server: Any, idle_seconds: float, state: Path) -> None:
    """Return when nothing was asked for `idle_seconds`; the state file is gone by then."""
    used, last_use = _work_done(server)[1], time.monotonic()
    while True:
        time.sleep(min(1.0, idle_seconds / 4))
        busy, work = _work_done(server)
        if busy or work != used:
            used, last_use = work, time.monotonic()
        elif time.monotonic() - last_use >= idle_seconds:
            with filelock.FileLock(f"{state}.lock"):  # nobody starts another one while this one leaves
                if _is_ours(state):
                    state.unlink(missing_ok=True)
            return


def _work_done(server: Any) -> tuple[bool, tuple[str, ...]]:
    """Whether a question is being answered, and counters that move with each one."""
    metrics: str = server.handle_metrics()
    busy = re.search(r"^llamacpp:requests_(?:processing|deferred) (?!0$)", metrics, re.MULTILINE)
    counters = re.findall(r"^llamacpp:(?:prompt_tokens|tokens_predicted)\w*_total (\S+)$", metrics, re.MULTILINE)
    return busy is not None, tuple(counters)


def _is_ours(state: Path) -> bool:
    try:
        return bool(json.loads(state.read_text(encoding="utf-8"))["pid"] == os.getpid())
    except (OSError, ValueError, KeyError):
        return False


if __name__ == "__main__":
    main()
