"""An exported session is read as far as possible, and whatever cannot be read is reported with the reason."""

import json

import pytest

from reasoning_widget.export.reading import SessionFileError, read_session
from tests.export.sessions import fold, played


async def test_an_exported_session_is_read_completely():
    file = await played_file()

    read = read_session(json.dumps(file))

    assert read.file == file
    assert read.notes == []
    assert read_session(file) == read


async def played_file():
    return played({"type": "thought", "content": "Hm."}, {"type": "final_answer", "content": "It is."})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[: len(text) // 2], "ends too early"),
        (lambda text: "", "ends too early"),
        (lambda text: "[1]", "no JSON object"),
        (lambda text: "{}", "`format`"),
        (lambda text: text.replace('"version": 2', '"version": 3'), "later reasoning-widget"),
        (lambda text: text.replace('"version": 2', '"version": "x"'), "`version`"),
        (lambda text: text.replace('"session_id": "demo"', '"session_id": "../x"'), "A-Z a-z"),
        (lambda text: text.replace('"session_id": "demo"', '"session_id": null'), "`session_id`"),
        (lambda text: text.replace('"events": [', '"events": 1, "x": ['), "`events`"),
        (lambda text: "[" * 100_000, "nested"),
    ],
)
async def test_a_file_that_is_no_session_raises_an_error_with_the_reason(change, says):
    with pytest.raises(SessionFileError, match=says):
        read_session(change(json.dumps(await played_file())))


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {"type": "reasoning_step"},
        {"type": "reasoning_step", "seq": 4, "data": {"content": 5}},
        {"type": "reasoning_step", "seq": 4, "data": {"type": "thought", "content": "x", "run_id": "nobody's"}},
        {"type": "reasoning_step", "seq": 4, "data": {"type": "thought", "content": "x", "run_id": []}},
        {"type": "user_message", "seq": 4, "data": {"id": 5}},
        {"type": "run_finished", "seq": 4, "data": {"run_id": "r", "status": "fine", "usage": {}, "duration": 1}},
        {"type": "session", "data": {"session_id": "other", "epoch": "other"}},
        {"type": "step_delta", "data": {}},
        {"type": 5, "data": {}},
        {"type": "note", "data": json.loads("[" * 90 + "]" * 90)},
        {"type": "note", "data": {"deep": json.loads("[" * 90 + "]" * 90)}},
    ],
    ids=lambda event: repr(event)[:60],
)
async def test_unreadable_events_are_omitted(event):
    file = await played_file()

    read = read_session({**file, "events": [*file["events"][:3], event, *file["events"][3:]]})

    assert read.notes == ["One event in the file cannot be read, and is left out."]
    assert fold(read.file["events"]) == fold(file["events"])


async def test_events_of_a_later_version_are_kept():
    file = await played_file()
    later = [{"type": "weather", "data": {"sky": "blue"}}, {"type": "session_info", "data": {"title": "New", "x": 1}}]

    read = read_session({**file, "events": [*file["events"], *later]})

    assert read.notes == []
    assert [event["data"] for event in read.file["events"][-2:]] == [{"sky": "blue"}, {"title": "New", "x": 1}]
    assert fold(read.file["events"])["other"][0]["type"] == "weather"


async def test_texts_of_five_megabytes_are_cut_with_a_note():
    file = await played_file()
    step = next(event for event in file["events"] if event["type"] == "reasoning_step")
    step["data"] = {**step["data"], "content": "<b>" * 1_700_000}

    read = read_session(json.dumps(file))
    (thought, _) = fold(read.file["events"])["steps"].values()

    assert read.notes == ["Texts in the file that were too long are cut."]
    assert len(thought["content"]) + thought["cut"]["content"] == 5_100_000


async def test_edited_sequence_numbers_are_assigned_again():
    file = await played_file()
    for event in file["events"]:
        event["seq"] = 1

    numbers = [event["seq"] for event in read_session(file).file["events"]]

    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("blobs", [[], {"a": json.loads("[" * 600 + "]" * 600)}], ids=lambda blobs: repr(blobs)[:10])
async def test_unreadable_values_beside_the_events_are_omitted(blobs):
    file = await played_file()

    read = read_session({**file, "blobs": {**blobs, "good": "x"} if isinstance(blobs, dict) else blobs})

    assert read.notes == ["Some large outputs in the file cannot be read, and are left out."]
    assert read.file.get("blobs", {}) == ({"good": "x"} if isinstance(blobs, dict) else {})
    assert read.file["events"] == file["events"]


@pytest.mark.parametrize("sign", ["x", "\n", "€"])
async def test_a_prompt_of_the_maximal_length_is_whole_and_a_longer_one_cut_with_a_note(sign):
    longest = sign * (256 * 1024 // len(sign.encode()))
    file = await played_file()
    asked = next(event for event in file["events"] if event["type"] == "user_message")

    asked["data"] = {**asked["data"], "content": longest}
    assert read_session(file) == (file, [])

    asked["data"] = {**asked["data"], "content": f"{longest}{sign}"}
    read = read_session(file)
    assert fold(read.file["events"])["messages"][0]["content"] == longest
    assert read.notes == ["Texts in the file that were too long are cut."]
