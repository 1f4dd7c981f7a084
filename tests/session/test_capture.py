"""Text that tools print, in whatever way, belongs to their step."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest
from rich.console import Console
from tqdm import tqdm

from reasoning_widget.protocol import MimeBundle
from reasoning_widget.session.capture import captured_output, pause_after

SAY = [sys.executable, "-c", "print('said')"]
BOTH = [sys.executable, "-c", "import os; os.write(1, b'out '); os.write(2, b'err')"]


@pytest.fixture
def told():
    return []


def printed(told):
    return "".join(bundle.get("text/plain", "") for bundle in (told[-1] if told else []))


def shout():
    print("said")


async def subprocess_of_asyncio():
    process = await asyncio.create_subprocess_exec(*SAY)
    await process.wait()


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def with_popen():
    with subprocess.Popen(SAY) as process:
        process.wait()


def in_fork():
    child = os.fork()
    if child == 0:
        try:
            subprocess.run(SAY, check=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def in_process(work=shout):
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()


def in_process_pool():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        pool.submit(shout).result()


def in_thread_pool(work=shout):
    with ThreadPoolExecutor() as pool:
        pool.submit(work).result()


def in_old_pool():
    with ThreadPool(1) as pool:
        pool.apply(shout)


WAYS = {
    "print": shout,
    "standard error": lambda: print("said", file=sys.stderr),
    "the interpreter's own": lambda: print("said", file=sys.__stdout__),
    "bytes": lambda: sys.stdout.buffer.write(b"said\n"),
    "lines": lambda: sys.stdout.writelines(["sa", "id\n"]),
    "a thread": lambda: in_thread(shout),
    "a thread of a thread": lambda: in_thread(lambda: in_thread(shout)),
    "a timer": lambda: in_thread(threading.Timer(0, shout).run),
    "a pool": in_thread_pool,
    "an old pool": in_old_pool,
    "asyncio": lambda: asyncio.run(asyncio.to_thread(shout)),
    "run": lambda: subprocess.run(SAY, check=True),
    "run with a shell": lambda: subprocess.run("echo said", shell=True, check=True),
    "check_call": lambda: subprocess.check_call(SAY),
    "Popen": with_popen,
    "the same output": lambda: subprocess.run(SAY, stdout=sys.stdout, check=True),
    "descriptor 1": lambda: subprocess.run(SAY, stdout=1, check=True),
    "run in a pool": lambda: in_thread_pool(lambda: subprocess.run(SAY, check=True)),
    "a process of asyncio": lambda: asyncio.run(subprocess_of_asyncio()),
    "system": lambda: os.system("echo said"),
    "a process of a process": lambda: subprocess.run("sh -c 'sh -c \"echo said\"'", shell=True, check=True),
    "a fork": in_fork,
    "multiprocessing": in_process,
    "a subprocess in multiprocessing": lambda: in_process(with_popen),
    "descriptors in multiprocessing": lambda: in_process(lambda: os.write(1, b"said\n")),
    "a process pool": in_process_pool,
    "a console of rich": lambda: Console(force_terminal=False).print("said"),
}


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_printed_text_is_only_in_the_step(told, way, capfd):
    with captured_output(told.append):
        way()
    assert printed(told) == "said\n"

    sys.stdout.flush()
    assert capfd.readouterr() == ("", "")


def test_log_handlers_with_an_older_stream_log_into_the_step(told, capsys):
    logger = logging.getLogger("held")
    logger.propagate = False
    logger.addHandler(logging.StreamHandler(sys.stderr))
    with captured_output(told.append):
        logger.warning("logged")
    logger.warning("later")

    assert printed(told) == "logged\n"
    assert capsys.readouterr().err == "later\n"


def test_output_of_processes_and_print_is_in_order(told):
    with captured_output(told.append):
        for number in range(5):
            print(f"before {number}")
            subprocess.run(f"echo from {number}", shell=True, check=True)

    assert printed(told) == "".join(f"before {number}\nfrom {number}\n" for number in range(5))


def test_output_that_a_tool_captures_itself_is_not_in_the_step(told):
    with captured_output(told.append):
        taken = subprocess.run(BOTH, stdout=subprocess.PIPE, check=True).stdout
        together = subprocess.check_output(BOTH, stderr=subprocess.STDOUT)
        subprocess.run(BOTH, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    assert (taken, together) == (b"out ", b"out err")
    assert printed(told) == "err"


def test_os_system_returns_the_same_status(told):
    before = os.system
    with captured_output(told.append):
        statuses = [os.system(command) for command in ("true", "exit 3", "kill -9 $$")]

    assert statuses == [before(command) for command in ("true", "exit 3", "kill -9 $$")]
    assert os.system is before


def test_concurrent_calls_have_separate_outputs():
    def call(number):
        told: list[list[MimeBundle]] = []
        with captured_output(told.append):
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda _: sys.stdout.write(f"{number}\n"), range(20)))
            subprocess.run(f"echo {number}", shell=True, check=True)
        return printed(told)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(8))) == [f"{number}\n" * 21 for number in range(8)]


def test_a_process_that_outlives_its_call_prints_outside_the_step(told, tmp_path, capsys):
    gate = tmp_path / "gate"
    code = f"""
import os, time
print("early", flush=True)
while not os.path.exists({str(gate)!r}):
    time.sleep(0.01)
print("late")
"""
    with captured_output(told.append):
        process = subprocess.Popen([sys.executable, "-c", code])
        while "early" not in printed(told):
            assert process.poll() is None
            threading.Event().wait(0.01)
    gate.touch()
    assert process.wait() == 0
    for thread in threading.enumerate():
        if thread.name == "reasoning-printed":
            thread.join()

    assert printed(told) == "early\n"
    assert capsys.readouterr().out == "late\n"


def test_a_thread_that_outlives_its_call_adds_nothing_to_the_step(told):
    go_on = threading.Event()
    with captured_output(told.append):
        print("early")
        thread = threading.Thread(target=lambda: (go_on.wait(), print("late")))
        thread.start()
    go_on.set()
    thread.join()

    assert printed(told) == "early\n"


def test_progress_ends_as_a_terminal_shows_it(told):
    with captured_output(told.append):
        print("Training")
        for number in range(1401):
            sys.stdout.write(f"\r{number}/1400 {'#' * 60}")
        print("\nACCURACY = 0.93")

    assert printed(told) == f"Training\n1400/1400 {'#' * 60}\nACCURACY = 0.93\n"


def test_each_bar_of_tqdm_is_one_line(told):
    with captured_output(told.append):
        for _ in tqdm(range(500), desc="first", mininterval=0):
            pass
        for _ in tqdm(range(500), desc="second", mininterval=0):
            pass

    assert [line.partition("|")[0] for line in printed(told).splitlines()] == ["first: 100%", "second: 100%"]


@pytest.mark.parametrize(("size", "hour", "longest"), [(100, 3e6, 1.0), (2_000, 5e6, 11.0), (57_000, 23e6, 10.0)])
def test_a_bar_redrawn_for_an_hour_stays_current_without_filling_the_disk(size, hour, longest):
    """Each update writes the whole output to the log."""
    seconds, told = 0.0, 0
    pauses = []
    while seconds < 3600:
        pauses.append(max(0.05, pause_after(size, seconds)))
        seconds += pauses[-1]
        told += size

    assert told < hour
    assert max(pauses) <= longest
    assert pauses[:5] == pytest.approx([max(0.05, size / 65_536)] * 5), "at first it is as smooth as can be"


def test_too_long_output_keeps_its_beginning_and_end(told):
    with captured_output(told.append):
        for number in range(50_000):
            print("line", number)

    assert printed(told).startswith("line 0\nline 1\n")
    assert printed(told).endswith("line 49998\nline 49999\n")
    assert "characters were left out here" in printed(told)


def test_streams_are_restored():
    before = (sys.stdout, sys.stderr, sys.stdout.write.__class__, subprocess.Popen.__init__)
    with captured_output(lambda _: None):
        print("x")
    assert (sys.stdout, sys.stderr, sys.stdout.write.__class__, subprocess.Popen.__init__) == before
