"""The benchmarks run, and measure everything that they claim to measure. `make bench` judges the speed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from benchmarks import (
    delay,
    hostile,
    long_session,
    main_thread,
    page,
    qwen,
    report,
    saved_transcript,
    saving,
    traffic,
    weight,
)
from benchmarks import markdown as drawing
from benchmarks.measure import Claim, Report, noise, take_turns
from benchmarks.server import broadcast, growth, idle, receipt, served_session, sleeper
from benchmarks.server.place import Place, place
from benchmarks.tokens import END, Order, markdown

pytestmark = pytest.mark.slow


def claims(found: Report) -> dict[str, Claim]:
    """Return the claims by name, and check that each is in the table with a finite number."""
    table = "\n".join(report.lines(found))
    for claim in found.claims:
        assert claim.what in table
        assert math.isfinite(claim.measured)
    return {claim.what: claim for claim in found.claims}


@pytest.mark.browser
def test_the_widget_and_the_plain_page_show_the_same_words() -> None:
    found = page.run(rounds=1, tokens=1500, fewer=400)

    assert len(claims(found)) == 2
    assert found.counts["words in the plain page"] > 250
    assert found.counts["words in the widget"] >= found.counts["words in the plain page"]


@pytest.mark.browser
def test_every_token_of_every_answer_appears_in_both_pages() -> None:
    found = delay.run(rounds=1, tokens=20)

    assert len(claims(found)) == 3
    assert found.counts == {"tokens in the plain page": 20, "tokens in the widget page": 20}


@pytest.mark.browser
def test_new_kernels_and_long_conversations_are_measured_beside_plain_pages() -> None:
    found = saving.run(rounds=1, tokens=20, questions=12)

    assert len(claims(found)) == 2
    assert found.counts["tokens"] == 2 * 20
    assert found.counts["questions in the long conversation"] >= 12


@pytest.mark.browser
def test_a_fast_stream_needs_few_messages_and_few_bytes() -> None:
    found = traffic.run(rounds=1, tokens=4000)

    assert {what: claim.verdict for what, claim in claims(found).items()} == dict.fromkeys(claims(found), "met")
    assert all(count > 1 for count in found.counts.values())


@pytest.mark.browser
def test_the_cell_runs_while_the_answer_streams() -> None:
    found = main_thread.run(rounds=1, size=1000, tokens=300)

    assert len(claims(found)) == 1
    assert found.counts["cells that ended before the stream"] >= 1


@pytest.mark.browser
def test_hostile_and_ordinary_texts_are_drawn_in_python_and_in_the_page() -> None:
    found = drawing.run(rounds=1, length=4000)

    assert len(claims(found)) == 6
    assert found.counts["hostile texts"] > 30


@pytest.mark.browser
def test_every_card_of_a_saved_transcript_is_drawn() -> None:
    found = saved_transcript.run(rounds=1, steps=200)

    assert len(claims(found)) == 4
    assert found.counts == {"cards": 200}


def test_the_watched_agent_gives_the_same_answer() -> None:
    found = qwen.run(rounds=1, tokens=200)

    assert len(claims(found)) == 2
    assert found.counts == {"lengths of the answers": 1, "code points": len("".join(markdown(200)))}


def test_nothing_heavy_is_imported_and_the_bundle_is_small() -> None:
    found = weight.run(rounds=1)

    assert found.counts["heavy packages"] == 0
    assert [claim.verdict for claim in found.claims if claim.unit == "kB"] == ["met", "met"]


def test_a_long_session_keeps_every_event() -> None:
    found = long_session.run(rounds=1, steps=400)

    assert len(claims(found)) == 3
    assert found.counts["events of the whole"] == 4 * found.counts["events of the quarter"] - 3


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    """One server for all benchmarks of this file."""
    with place() as here:
        yield here


def test_every_watcher_and_every_bare_socket_gets_every_message(here: Place) -> None:
    found = broadcast.measure(here, rounds=1, tokens=2000, watchers=(1, 5))

    assert len(claims(found)) == 2
    for count in (1, 5):
        sent, repeated = (found.counts[f"messages to each of {count} in a {where}"] for where in ("session", "room"))
        assert sent == repeated > 6


def test_every_token_reaches_the_client(here: Place) -> None:
    found = receipt.measure(here, rounds=1, tokens=20)

    assert len(claims(found)) == 4
    assert found.counts == {"tokens in the session": 20, "tokens in the bare": 20}


def test_the_session_has_grown_before_its_late_steps_are_measured(here: Place) -> None:
    found = served_session.measure(here, rounds=1, steps=400, tokens=400)

    assert len(claims(found)) == 4
    assert found.counts["events of the whole"] > 400
    assert found.counts["events of the quarter"] == 100 + 4


def test_the_memory_of_watchers_is_counted(here: Place) -> None:
    found = idle.measure(here, watchers=20)

    assert len(claims(found)) == 1
    assert all(count > 4096 for count in found.counts.values())


def test_a_watcher_that_stopped_reading_catches_up(here: Place) -> None:
    found = sleeper.measure(here, rounds=1, thoughts=30, tokens=10)

    assert len(claims(found)) == 3
    assert found.counts["messages slept through"] > 10
    assert found.counts["transcripts that differ"] == 0


def test_a_claim_is_judged_only_with_a_consistent_baseline() -> None:
    assert Claim("x", 1.4, 1.5, "times", noise=1.1).verdict == "met"
    assert Claim("x", 1.6, 1.5, "times", noise=1.1).verdict == "missed"
    assert Claim("x", 1.6, 1.5, "times", noise=1.3).verdict == "not decidable here"
    assert Claim("x", 1.4, 1.5, "times", noise=math.nan).verdict == "not decidable here"
    assert Claim("x", 61, 60, "a second").verdict == "missed"
    assert noise([1, 2, 3], [4, 4, 4]) == noise([4, 4, 4], [1, 2, 3]) == 2


def test_all_candidates_take_turns_and_another_begins_each_round() -> None:
    order: list[str] = []

    def candidate(name: str) -> float:
        order.append(name)
        return float(len(order))

    samples = take_turns(2, {name: lambda name=name: candidate(name) for name in "ab"})  # type: ignore[misc]

    assert order == ["b", "a", "a", "b", "b", "a"]  # the first round is not counted
    assert samples == {"a": [3, 6], "b": [4, 5]}


def test_the_most_messages_within_any_second_are_counted() -> None:
    assert traffic.max_in_a_second([0, 0.5, 0.9, 1.0, 1.4, 5]) == 4
    assert traffic.max_in_a_second([]) == 0


def test_the_text_has_the_ordered_tokens_and_an_end() -> None:
    tokens = markdown(3000)

    assert len(tokens) == 3000
    text = "".join(tokens)
    assert text.count(END) == 1
    assert text.endswith(END)
    assert all(mark in text for mark in ("## ", "- **", "| --- |", "```python", "`"))
    assert Order.from_json(Order(5, rate=50, stamped=True).as_json()) == Order(5, rate=50, stamped=True)


def test_the_growth_of_hostile_texts_is_measured() -> None:
    found = hostile.run(rounds=1, size=20_000)

    assert len(claims(found)) == 2 * (len(hostile.MASKED) + len(hostile.READ))


def test_slow_work_on_a_server_is_compared_with_a_quarter_of_it() -> None:
    found = growth.run(rounds=1, amounts=growth.Amounts(steps=80, sessions=8, expired=80, queued=8))

    assert len(claims(found)) == 25
    assert found.counts["rows left of what has expired"] == 0
    assert found.counts["messages withdrawn by Stop"] == 8
    assert found.counts["bytes of the longest export"] > 80 * len(growth.THOUGHT)
