"""The background event loop of all sessions of a kernel, separate from the kernel's own loop."""

from __future__ import annotations

import asyncio
import atexit
import functools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")
_SLICE = 0.1  # seconds; how long a blocked thread waits before it can see an interrupt
_CLEAN_UP_WITHIN = 10.0  # seconds
_lock = threading.Lock()


def session_loop() -> asyncio.AbstractEventLoop:
    """Return the loop, which runs in a daemon thread; the first call starts it."""
    with _lock:  # a cache alone may call its function twice
        return _started_loop()


@functools.cache
def _started_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="reasoning-sessions", daemon=True)
    thread.start()
    atexit.register(_end, loop, thread)
    return loop


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """End the loop before the interpreter does: after that, waiting for another thread never ends."""

    async def end() -> None:
        tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        loop.stop()

    asyncio.run_coroutine_threadsafe(end(), loop)
    thread.join()
    loop.close()


def on_loop(function: Callable[..., _T], *args: Any) -> _T:
    """Call `function` on the loop and return its result.

    Raises:
        RuntimeError: The loop has ended, because the interpreter does.
    """
    loop = session_loop()
    if _running_loop() is loop:  # the garbage collector may close a chat on any thread
        return function(*args)
    done: Future[_T] = Future()

    def call() -> None:
        try:
            done.set_result(function(*args))
        except BaseException as error:  # noqa: BLE001 (belongs to the caller)
            done.set_exception(error)

    loop.call_soon_threadsafe(call)
    return done.result()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def wait(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine on the loop and wait for its result, in slices, between which Python can raise an interrupt.

    Interrupted, it is cancelled, and given a moment to clean up; a second interrupt leaves at once.
    """
    loop = session_loop()
    done = threading.Event()
    begun: list[asyncio.Task[_T]] = []

    def begin() -> None:
        begun.append(loop.create_task(coroutine))
        begun[0].add_done_callback(lambda _: done.set())

    def give_up() -> None:
        if begun:
            begun[0].cancel()
        else:
            done.set()

    try:
        loop.call_soon_threadsafe(begin)
        while not done.wait(_SLICE):
            pass
    except BaseException:
        loop.call_soon_threadsafe(give_up)  # the loop keeps the order: what was begun is there by then
        done.wait(_CLEAN_UP_WITHIN)
        raise
    return begun[0].result()


async def from_loop(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine on the loop and await its result on another one. Cancelled, it is cancelled there."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, session_loop()))
