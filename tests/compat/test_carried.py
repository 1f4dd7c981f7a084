"""What is propagated into threads and pools, and what is not."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextvars import ContextVar
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest

from reasoning_widget.compat.carried import Ends, carried

WAIT_S = 30
var: ContextVar[str] = ContextVar("var", default="nothing")

FOUND = {
    (owner, name): inspect.getattr_static(owner, name)
    for owner, name in [
        (threading.Thread, "start"),
        (Executor, "submit"),
        (ThreadPoolExecutor, "submit"),
        (ThreadPool, "__init__"),
        (ThreadPool, "apply_async"),
    ]
}


@contextlib.contextmanager
def saying(value: str) -> Iterator[None]:
    token = var.set(value)
    try:
        yield
    finally:
        var.reset(token)


class InThread(Executor):
    """Makes each call in a new thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        threading.Thread(target=lambda: future.set_result(fn(*args, **kwargs))).start()
        return future


class AtOnce(Executor):
    """Makes each call synchronously."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Handing(Executor):
    """Passes its calls to another pool."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self.pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.pool.shutdown(wait, cancel_futures=cancel_futures)


class Counting(ThreadPoolExecutor):
    """Overrides the method that it calls."""

    calls = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls += 1
        return super().submit(fn, *args, **kwargs)


EXECUTORS = [lambda: ThreadPoolExecutor(1), InThread, AtOnce, Handing, lambda: Counting(1)]


class Worker(threading.Thread):
    """A thread that overrides `run`."""

    said = ""

    def run(self) -> None:
        self.said = var.get()


def in_thread() -> str:
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(var.get()))
    thread.start()
    thread.join(WAIT_S)
    assert "run" not in vars(thread)
    return said[0]


def in_subclass() -> str:
    worker = Worker()
    worker.start()
    worker.join(WAIT_S)
    return worker.said


def in_timer() -> str:
    said: list[str] = []
    timer = threading.Timer(0, lambda: said.append(var.get()))
    timer.start()
    timer.join(WAIT_S)
    return said[0]


def in_thread_of_a_thread() -> str:
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(in_thread()))
    thread.start()
    thread.join(WAIT_S)
    return said[0]


def in_to_thread() -> str:
    async def ask() -> str:
        return await asyncio.get_running_loop().run_in_executor(None, var.get)

    return asyncio.run(ask())


def in_mapped_pool() -> str:
    with ThreadPoolExecutor(1) as pool:
        return next(iter(pool.map(lambda _: var.get(), [0])))


def in_thread_pool_map() -> str:
    with ThreadPool(1) as pool:
        return pool.map(lambda _: var.get(), [0])[0]


def in_thread_pool_apply() -> str:
    with ThreadPool(1) as pool:
        return pool.apply(var.get)


def in_thread_pool_imap() -> str:
    with ThreadPool(1) as pool:
        return next(iter(pool.imap_unordered(lambda _: var.get(), [0])))


WAYS = [
    in_thread,
    in_subclass,
    in_timer,
    in_thread_of_a_thread,
    in_to_thread,
    in_mapped_pool,
    in_thread_pool_map,
    in_thread_pool_apply,
    in_thread_pool_imap,
]


@pytest.mark.parametrize("way", WAYS)
def test_a_value_is_propagated(way: Callable[[], str]) -> None:
    with carried(var), saying("hello"):
        assert way() == "hello"


@pytest.mark.parametrize("way", WAYS)
def test_without_a_value_nothing_is_propagated(way: Callable[[], str]) -> None:
    with carried(var):
        assert way() == "nothing"


@pytest.mark.parametrize("make", EXECUTORS)
def test_every_executor_uses_the_value_of_the_submitter(make: Callable[[], Executor]) -> None:
    with make() as older:
        older.submit(len, "warm").result(WAIT_S)
        with carried(var):
            with saying("one"):
                assert older.submit(var.get).result(WAIT_S) == "one"
                newer = make()
                assert newer.submit(var.get).result(WAIT_S) == "one"
            with saying("two"):
                assert [pool.submit(var.get).result(WAIT_S) for pool in (older, newer)] == ["two", "two"]
            assert [pool.submit(var.get).result(WAIT_S) for pool in (older, newer)] == ["nothing", "nothing"]
        assert newer.submit(var.get).result(WAIT_S) == "nothing"
        newer.shutdown()


def test_an_executor_class_defined_inside_propagates_the_value() -> None:
    with carried(var), saying("hello"):

        class Late(Executor):
            def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
                future: Future[Any] = Future()
                threading.Thread(target=lambda: future.set_result(fn(*args, **kwargs))).start()
                return future

        assert Late().submit(var.get).result(WAIT_S) == "hello"


def test_threads_started_by_a_synchronous_call_get_the_value() -> None:
    with carried(var), saying("hello"):
        assert AtOnce().submit(in_thread).result(WAIT_S) == "hello"


def test_a_thread_pool_that_outlives_the_value_keeps_nothing() -> None:
    with carried(var), saying("hello"):
        pool = ThreadPool(1)
        assert pool.apply(var.get) == "hello"
    assert pool.apply(var.get) == "nothing"
    with carried(var), saying("again"):
        assert pool.apply(var.get) == "again"
    pool.terminate()


def test_a_process_pool_gets_the_unwrapped_function() -> None:
    with carried(var), saying("hello"), ProcessPoolExecutor(1) as pool:
        assert pool.submit(abs, -3).result(WAIT_S) == 3


def test_the_context_manager_is_entered_in_the_thread_of_the_work() -> None:
    entered: list[tuple[str, bool]] = []
    here = threading.current_thread()

    @contextlib.contextmanager
    def around(value: str) -> Iterator[None]:
        entered.append((value, threading.current_thread() is here))
        yield

    with carried(var, around), saying("hello"):
        in_thread()
        in_mapped_pool()

    assert entered == [("hello", False), ("hello", False)]


def test_an_ended_thread_reports_no_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", complaints.append)

    def end() -> None:
        raise Ends(ValueError("enough"))

    def work() -> None:
        try:
            end()
        except Exception:
            complaints.append("caught")

    with carried(var), saying("hello"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(WAIT_S)

    assert complaints == []


def test_the_result_of_ended_work_is_an_exception() -> None:
    def work() -> None:
        raise Ends(ValueError("enough"))

    with carried(var), saying("hello"):
        with ThreadPoolExecutor(1) as pool, pytest.raises(Ends, match="enough"):
            pool.submit(work).result(WAIT_S)
        with ThreadPool(1) as threads, pytest.raises(ValueError, match="enough"):
            threads.apply(work)  # it would never return for anything but an `Exception`


def test_a_refused_call_is_not_made_but_a_thread_still_starts() -> None:
    def refuse(value: str) -> None:
        raise Ends(ValueError(f"no more {value}"))

    made: list[str] = []
    with carried(var, check=refuse), saying("hello"):
        thread = threading.Thread(target=lambda: made.append("in a thread"))
        thread.start()
        thread.join(WAIT_S)
        with ThreadPoolExecutor(1) as pool, pytest.raises(Ends, match="no more hello"):
            pool.submit(made.append, "in a pool").result(WAIT_S)

    assert made == ["in a thread"]


def test_a_thread_that_cannot_be_started_is_unchanged() -> None:
    thread = threading.Thread(target=lambda: None)
    with carried(var), saying("hello"):
        thread.start()
        thread.join(WAIT_S)
        found = dict(vars(thread))
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
    assert vars(thread) == found


def test_everything_is_restored() -> None:
    with carried(var), carried(ContextVar("another")), saying("hello"):
        assert inspect.signature(threading.Thread.start) == inspect.signature(FOUND[threading.Thread, "start"])
        assert inspect.unwrap(threading.Thread.start) is FOUND[threading.Thread, "start"]

    assert all(inspect.getattr_static(owner, name) is found for (owner, name), found in FOUND.items())
    assert "apply_async" not in vars(ThreadPool)
    assert "__init_subclass__" not in vars(Executor)


def test_a_replacement_made_meanwhile_by_others_is_kept() -> None:
    with carried(var):
        ours = threading.Thread.start

        def theirs(self: threading.Thread) -> None:
            ours(self)

        threading.Thread.start = theirs  # type: ignore[method-assign]
    try:
        assert threading.Thread.start is theirs
        with saying("hello"):
            assert in_thread() == "nothing"
    finally:
        threading.Thread.start = FOUND[threading.Thread, "start"]  # type: ignore[method-assign]
