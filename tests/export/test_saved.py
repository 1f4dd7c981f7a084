"""The snapshot in a notebook file is small, contains no secret, and says what is missing."""

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from reasoning_widget.export.html import to_html, to_page
from reasoning_widget.export.log import newest_events
from reasoning_widget.export.markdown import to_markdown, to_plain
from reasoning_widget.export.saved import SavedTranscript, Saver, folded
from reasoning_widget.protocol import ToolCall
from tests.export.sessions import KEY, broken_png, photograph, png
from tests.session.manual import ask, open_session

LONG = "0123456789" * 5_000


def saved(session, limits=None, message_id=None):
    saver = Saver(limits or SavedTranscript(), session.blob)
    return saver.file(session.state, session.events_after(0), message_id)


def steps(file):
    return [event["data"] for event in file["events"] if event["type"] == "reasoning_step"]


def forms(file):
    state = folded(file)
    return [json.dumps(file), to_html(state), to_markdown(state), to_plain(state)]


async def test_long_texts_of_tools_are_cut_with_a_note_in_every_form():
    session, runner = open_session()
    ask(session, "Read it", "m1")
    tool: ToolCall = {"name": "read", "arguments": LONG}
    runner.run.emit({"type": "tool_use", "content": "", "tool": tool})
    runner.run.emit({"type": "tool_result", "content": LONG, "tool": {"name": "read"}, "output": {"text/plain": LONG}})
    runner.run.emit({"type": "final_answer", "content": LONG})
    runner.run.end()

    file = saved(session)
    use, result, answer = steps(file)

    assert use["cut"]["arguments"] == len(LONG) - 8_000
    assert result["cut"] == {"content": len(LONG) - 8_000, "output": len(LONG) - 8_000}
    assert (len(use["tool"]["arguments"]), len(result["content"]), answer["content"]) == (8_000, 8_000, LONG)
    assert all("84,000 more characters were cut" in form for form in forms(file)[1:3])
    assert session.state["steps"][result["id"]]["content"] == LONG  # the live chat has the whole text


async def test_the_count_of_cut_characters_includes_earlier_cuts():
    session, runner = open_session()
    ask(session, "Read it", "m1")
    runner.run.emit({"type": "tool_result", "content": "x" * 300_000, "tool": {"name": "read"}})
    runner.run.end()

    (step,) = steps(saved(session))

    assert step["cut"]["content"] + len(step["content"]) == 300_000


async def test_pictures_in_or_beside_the_log_are_scaled_down_with_a_note():
    session, runner = open_session()
    ask(session, "Draw", "m1")
    picture = png(3000, 2000)
    assert len(picture) > 64 * 1024  # so that it is stored beside the log
    runner.run.emit({"type": "tool_result", "content": "", "tool": {"name": "draw"}, "output": {"image/png": picture}})
    runner.run.end()

    file = saved(session, SavedTranscript(max_picture=300))
    (step,) = steps(file)
    kept = Image.open(io.BytesIO(base64.b64decode(step["outputs"][0]["image/png"])))

    assert kept.size == (300, 200)
    assert step["scaled"] == {"0": [3000, 2000]}
    assert step["outputs"][0]["image/png"] in to_html(folded(file))
    assert "it was 3000 by 2000 pixels" in to_html(folded(file))


async def test_small_pictures_are_unchanged_and_invalid_ones_omitted():
    session, runner = open_session()
    ask(session, "Draw", "m1")
    picture = png(20, 10)
    for value in (picture, base64.b64encode(b"no picture").decode(), "not even base64"):
        output = {"image/png": value}
        runner.run.emit({"type": "tool_result", "content": "", "tool": {"name": "draw"}, "output": output})
    runner.run.end()

    small, *broken = steps(saved(session))

    assert small["outputs"] == [{"image/png": picture}]
    assert ["blob" in step["outputs"][0]["image/png"] for step in broken] == [True, True]


@pytest.mark.parametrize("size", [(640, 480), (2000, 1500)])
@pytest.mark.parametrize(("transparent", "mime"), [(False, "image/jpeg"), (True, "image/webp")])
async def test_a_photograph_of_any_size_is_kept(size, transparent, mime):
    session, runner = open_session()
    ask(session, "Draw", "m1")
    output = {"image/png": photograph(*size, transparent=transparent), "text/plain": "<Figure>"}
    runner.run.emit({"type": "tool_result", "content": "", "tool": {"name": "draw"}, "output": output})
    runner.run.end()

    file = saved(session)
    (step,) = steps(file)
    (shown,) = step["outputs"]
    kept = Image.open(io.BytesIO(base64.b64decode(shown[mime])))

    assert set(shown) == {mime, "text/plain"}
    assert len(shown[mime]) <= 160_000
    assert min(kept.size) >= 200
    assert kept.has_transparency_data == transparent
    assert step.get("scaled", {"0": list(kept.size)}) == {"0": list(size)}
    assert f"data:{mime};base64,{shown[mime]}" in to_html(folded(file))


async def test_a_large_opaque_picture_with_an_alpha_channel_is_saved_as_jpeg():
    session, runner = open_session()
    ask(session, "Draw", "m1")
    plain = Image.open(io.BytesIO(base64.b64decode(photograph(640, 480))))
    written = io.BytesIO()
    plain.convert("RGBA").save(written, "PNG")
    output = {"image/png": base64.b64encode(written.getvalue()).decode()}
    runner.run.emit({"type": "tool_result", "content": "", "tool": {"name": "draw"}, "output": output})
    runner.run.end()

    (step,) = steps(saved(session))

    assert [set(shown) for shown in step["outputs"]] == [{"image/jpeg"}]


async def test_a_picture_that_is_broken_in_the_middle_is_omitted_with_a_note():
    session, runner = open_session()
    ask(session, "Draw", "m1")
    output = {"image/png": broken_png()}
    runner.run.emit({"type": "tool_result", "content": "drawn", "tool": {"name": "draw"}, "output": output})
    runner.run.end()

    page = to_html(folded(saved(session)))

    assert "drawn" in page
    assert "bytes of image/png are not included" in page


async def test_large_values_are_omitted_with_a_note():
    session, runner = open_session()
    ask(session, "Table", "m1")
    for html in ("<p>small</p>", f"<p>{LONG}</p>"):
        output = {"text/html": html}
        runner.run.emit({"type": "tool_result", "content": "", "tool": {"name": "table"}, "output": output})
    runner.run.end()

    file = saved(session)
    small, large = steps(file)

    assert small["outputs"] == [{"text/html": "<p>small</p>"}]
    assert large["outputs"][0]["text/html"]["size"] == len(LONG) + 9
    assert "50,009 bytes of text/html are not included" in to_html(folded(file))


async def test_a_large_conversation_is_cut_until_it_is_small_with_answers_cut_last():
    session, runner = open_session()
    question, answer = "Why? " * 2_000, "Because. " * 2_000
    ask(session, question, "m1")
    runner.run.emit({"type": "thought", "content": LONG * 4})
    for _ in range(500):
        runner.run.emit({"type": "tool_result", "content": LONG[:8_000], "tool": {"name": "read"}})
    runner.run.emit({"type": "final_answer", "content": answer})
    runner.run.end()

    file = saved(session)
    thought, *results, last = steps(file)

    assert sum(map(len, forms(file))) < 6_000_000
    assert last["content"] == answer
    assert folded(file)["messages"][0]["content"] == question
    assert thought["cut"] == {"content": 4 * len(LONG) - len(thought["content"])}
    assert all(step["cut"]["content"] + len(step["content"]) == 8_000 for step in results)


async def test_prompts_and_answers_are_cut_with_a_note_if_they_are_too_long():
    session, runner = open_session()
    ask(session, LONG, "m1")
    runner.run.emit({"type": "final_answer", "content": LONG})
    runner.run.end()

    file = saved(session, SavedTranscript(max_texts=50_000))
    (answer,) = steps(file)

    assert len(answer["content"]) + answer["cut"]["content"] == len(LONG)
    assert all(form.count("more characters were cut") == 2 for form in forms(file)[1:3])


async def test_an_ordinary_conversation_is_kept_whole_with_any_number_of_steps():
    session, runner = open_session()
    ask(session, "Go", "m1")
    for number in range(2_000):
        runner.run.emit({"type": "tool_result", "content": f"{number} {LONG[:650]}", "tool": {"name": "read"}})
    runner.run.end()

    assert all(len(step["content"]) > 650 and "cut" not in step for step in steps(saved(session)))


async def test_only_the_newest_of_too_many_pictures_are_kept():
    session, runner = open_session()
    ask(session, "Draw", "m1")
    for side in (1_000, 30, 31):
        output = {"image/png": png(side, side), "text/plain": "drawn"}
        runner.run.emit({"type": "tool_result", "content": "", "tool": {"name": "draw"}, "output": output})
    runner.run.end()

    file = saved(session, SavedTranscript(max_values=2_000))
    first, *others = steps(file)

    assert first["outputs"][0]["image/png"]["size"] > 2_000
    assert first["outputs"][0]["text/plain"] == "drawn"
    assert "bytes of image/png are not included" in to_html(folded(file))
    assert "made smaller" not in to_html(folded(file))
    assert [step["outputs"][0]["image/png"] for step in others] == [png(30, 30), png(31, 31)]


async def test_no_form_of_a_snapshot_contains_a_secret():
    session, runner = open_session()
    ask(session, f"Log in with {KEY}", "m1")
    arguments = json.dumps({"key": KEY, "password": "Tr0ub4dor"})
    runner.run.emit({"type": "thought", "content": f"So {KEY}"})
    runner.run.emit({"type": "tool_use", "content": "", "tool": {"name": "login", "arguments": arguments}})
    output = {"text/plain": f"got {KEY}", "text/html": f"<b>{KEY}</b>", "application/json": {"password": "Tr0ub4dor"}}
    runner.run.emit({"type": "tool_result", "content": KEY, "tool": {"name": "login"}, "output": output})
    runner.run.emit({"type": "final_answer", "content": f"It is `{KEY}`."})
    runner.run.end(ValueError(KEY), f"The agent raised ValueError: {KEY}")

    for form in forms(saved(session)):
        assert KEY not in form
        assert "Tr0ub4dor" not in form
        assert "[masked: API key]" in form
    assert KEY in json.dumps(session.state)


async def test_a_secret_is_masked_before_a_cut_could_split_it():
    session, runner = open_session()
    ask(session, "Read", "m1")
    runner.run.emit({"type": "tool_result", "content": "x " * 3_990 + KEY, "tool": {"name": "read"}})
    runner.run.end()

    (step,) = steps(saved(session))

    assert KEY[:12] not in step["content"]


@pytest.mark.parametrize(
    ("question", "secret"),
    [
        ('Log in to the measuring station of the lake with the password="SuperSecretPassw0rd99xyz" now', "SuperS"),
        (f"Fetch what is new in the repository of the measuring station with ghp_{'a1B2' * 9}", "ghp_"),
    ],
)
async def test_a_secret_cut_off_in_the_title_is_masked(question, secret):
    session, runner = open_session()
    ask(session, question, "m1")
    runner.run.end()

    file = saved(session)

    assert secret not in str(session.state["title"])
    assert secret not in json.dumps(file)
    assert secret not in to_page(folded(file))
    assert "[masked" in str(folded(file)["title"])


async def test_a_partially_received_secret_is_masked():
    session, runner = open_session()
    ask(session, "Log in", "m1")
    runner.run.emit({"type": "thought", "id": "t", "content": f"With {KEY[:8]}", "status": "streaming"})
    tool: ToolCall = {"name": "login", "arguments": '{"password": "Tr0'}
    runner.run.emit({"type": "tool_use", "id": "u", "content": "", "tool": tool, "status": "streaming"})
    output = {"text/plain": "got ghp_a1"}
    runner.run.emit({"type": "tool_result", "id": "r", "content": "", "output": output, "status": "streaming"})

    for form in forms(saved(session)):
        assert not any(begun in form for begun in (KEY[:8], "Tr0", "ghp_"))


async def test_the_limits_are_configurable(monkeypatch):
    from traitlets.config import Config

    limits = SavedTranscript(config=Config({"SavedTranscript": {"max_text": 5}}))
    session, runner = open_session()
    ask(session, "Read", "m1")
    runner.run.emit({"type": "tool_result", "content": "1234567", "tool": {"name": "read"}})

    (step,) = steps(saved(session, limits))

    assert (step["content"], step["cut"]) == ("12345", {"content": 2})


async def test_parts_are_made_again_only_when_they_have_changed(monkeypatch):
    session, runner = open_session()
    saver = Saver(SavedTranscript(), session.blob)
    ask(session, "Go", "m1")
    runner.run.emit({"type": "thought", "content": "done"})
    runner.run.emit({"type": "final_answer", "id": "a", "content": "grow", "status": "streaming"})
    first = saver.file(session.state, session.events_after(0))
    runner.run.emit({"type": "final_answer", "id": "a", "content": "grown", "status": "streaming"})
    second = saver.file(session.state, session.events_after(0))

    assert [step["content"] for step in steps(second)] == ["done", "grown"]
    assert steps(second)[0] is steps(first)[0]
    session.clear()
    assert saver.file(session.state, session.events_after(0))["events"] == []


@pytest.mark.parametrize("number", [100, 1_000])
async def test_the_snapshot_of_one_prompt_does_not_grow_with_the_conversation(number):
    session, runner = open_session()
    for turn in range(number // 10):
        ask(session, "Again", f"m{turn}")
        runner.run.emit({"type": "final_answer", "content": "The same."})
        runner.run.end()

    events = newest_events(session.state, session.events_after(0), "m3")

    assert len(events) == 5


async def test_a_secret_split_by_a_picture_is_masked():
    session, runner = open_session()
    ask(session, "Log in", "m1")
    outputs = [{"text/plain": "with password="}, {"image/png": png(8, 8)}, {"text/plain": "Tr0ub4dor-Xy now"}]
    step: Any = {"type": "tool_result", "content": "", "outputs": outputs, "tool": {"name": "login"}}
    runner.run.emit(step)
    runner.run.end()

    for form in forms(saved(session)):
        assert "Tr0ub4dor" not in form


@pytest.mark.parametrize("status", ["failed", "stopped"])
async def test_an_unfinished_step_still_belongs_to_its_run_and_its_call(status):
    session, runner = open_session()
    ask(session, "Read it", "m1")
    tool: ToolCall = {"name": "read", "arguments": "{}", "call_id": "call-0123456789ab"}
    runner.run.emit({"type": "tool_use", "content": "", "tool": tool, "status": status})
    runner.run.end()

    (step,) = steps(saved(session))

    call_id = "call-0123456789ab"
    assert (step["status"], step["run_id"], step["tool"]["call_id"]) == (status, runner.run.spec.run_id, call_id)
