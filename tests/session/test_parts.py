"""Prompts with images and files, in a session."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from reasoning_widget.protocol import (
    MAX_ATTACHMENTS,
    MAX_FILE_BYTES,
    MAX_FRAME_BYTES,
    MAX_IMAGE_BYTES,
    MAX_MESSAGE_BYTES,
    encode,
)
from reasoning_widget.session.sqlite import SQLiteLog
from reasoning_widget.session.store import SessionStore
from tests.session.manual import ask, open_session

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
JPEG = b"\xff\xd8\xff\xe0" + bytes(8)


def address(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def picture(data: bytes = PNG, name: str = "plot.png", mime: str = "image/png") -> dict[str, str]:
    return {"image": address(data, mime), "name": name}


def table(data: bytes = b"a,b\n1,2\n", name: str = "table.csv") -> dict[str, str]:
    return {"file": address(data, "text/csv"), "name": name}


async def test_the_log_contains_the_text_and_references_to_the_contents():
    session, _ = open_session()

    replies = ask(session, [{"text": "What is"}, picture(), {"text": "beside"}, table()], "m1")

    assert replies == [{"type": "ack", "data": {"id": "m1"}}]
    (message,) = session.state["messages"]
    assert message["content"] == "What is\n\nbeside"
    assert session.state["title"] == "What is beside"
    text, image, _, file = message["parts"]
    assert text == {"text": "What is"}
    assert {**image["image"], "blob": ""} == {"blob": "", "mime": "image/png", "bytes": len(PNG), "name": "plot.png"}
    assert base64.b64decode(session.blob(image["image"]["blob"])) == PNG
    assert (file["file"]["name"], file["file"]["mime"], file["file"]["bytes"]) == ("table.csv", "text/csv", 8)
    assert base64.b64decode(session.blob(file["file"]["blob"])) == b"a,b\n1,2\n"


async def test_the_run_gets_the_parts_and_a_text_that_names_them():
    session, runner = open_session()
    parts = [{"text": "Compare"}, picture(), table()]

    ask(session, parts, "m1")

    assert runner.run.spec.parts == parts
    assert runner.run.spec.prompt == "Compare\n\n[image: plot.png]\n[file: table.csv]"


async def test_the_names_of_attachments_are_the_content_of_a_prompt_without_text():
    session, _ = open_session()

    ask(session, [picture(), table()], "m1")

    assert session.state["messages"][0]["content"] == session.state["title"] == "plot.png, table.csv"


async def test_invalid_characters_are_replaced_and_unknown_fields_are_dropped():
    session, _ = open_session()
    deep: Any = None
    for _ in range(5_000):
        deep = [deep]

    (reply,) = ask(session, [{"text": "lone \ud800", "more": deep}, {**picture(name="\udfff.png"), "more": 1}], "m1")

    assert reply["type"] == "ack"
    text, image = session.state["messages"][0]["parts"]
    assert text == {"text": "lone \ufffd"}
    assert image["image"]["name"] == "\ufffd.png"


async def test_text_parts_alone_become_one_text():
    session, runner = open_session()

    ask(session, [{"text": "one"}, {"text": " "}, {"text": "two"}], "m1")

    assert "parts" not in session.state["messages"][0]
    assert (runner.run.spec.prompt, runner.run.spec.parts) == ("one\n\ntwo", [])


async def test_image_types_come_from_the_content_and_names_have_no_folder():
    session, _ = open_session()

    ask(session, [picture(JPEG, "C:\\photos\\me\n.png"), {"image": address(PNG)}, table(name="../../etc/passwd")], "m1")

    attached = [next(iter(part.values())) for part in session.state["messages"][0]["parts"]]
    assert [(each["mime"], each["name"]) for each in attached] == [
        ("image/jpeg", "me.png"),
        ("image/png", "image.png"),
        ("text/csv", "passwd"),
    ]


@pytest.mark.parametrize(
    ("parts", "code", "says"),
    [
        ([], "empty_message", "is empty"),
        ([{"text": " "}], "empty_message", "is empty"),
        ([picture(b"BM", "a.bmp", "image/bmp")], "bad_attachment", r"image a\.bmp: it is image/bmp; PNG, JPEG, GIF"),
        ([picture(b"<svg/>", "a.svg", "image/svg+xml")], "bad_attachment", r"a\.svg"),
        ([picture(b"no picture", "a.png")], "bad_attachment", "content"),
        ([{"image": "/etc/passwd"}], "bad_attachment", "`data:` address"),
        ([{"image": "https://example.org/a.png"}], "bad_attachment", "`data:` address"),
        ([{"file": "data:text/plain;base64,%%%", "name": "a.txt"}], "bad_attachment", r"a\.txt: .*base64"),
        (
            [picture(PNG + bytes(MAX_IMAGE_BYTES))],
            "too_large",
            r"plot\.png is 5\.1 MiB large, and 5 MiB .* smaller",
        ),
        ([table(bytes(MAX_FILE_BYTES + 1024**2))], "too_large", r"file table\.csv is 9 MiB large, and 8 MiB"),
        ([table(bytes([n]) * 5 * 1024**2) for n in range(2)], "too_large", "together"),
        ([table(bytes([n])) for n in range(MAX_ATTACHMENTS + 1)], "too_large", "11 attachments, and 10"),
        ([{"text": "x" * (MAX_MESSAGE_BYTES + 1)}, picture()], "too_large", "256 KiB"),
        ([{"text": "\n" * MAX_MESSAGE_BYTES + "x"}, picture()], "too_large", "text"),
        ([{"text": "hi"}, {"sound": "x"}], "bad_message", "one of `text`, `image`, `file`"),
    ],
)
async def test_a_refused_prompt_is_explained_and_changes_nothing(parts: Any, code: str, says: str) -> None:
    session, runner = open_session()

    (reply,) = ask(session, parts, "m1")

    assert (reply["type"], reply["data"]["code"], reply["data"]["id"]) == ("error", code, "m1")
    assert re.search(says, reply["data"]["message"])
    assert (session.state["last_seq"], session.exists, runner.runs) == (0, False, [])


async def test_the_longest_permitted_prompt_is_accepted():
    session, _ = open_session()

    (reply,) = ask(session, [table(bytes(MAX_FILE_BYTES)), {"text": "x" * (MAX_MESSAGE_BYTES - 4096)}], "m1")

    assert reply["type"] == "ack"
    (event,) = (event for event in session.events_after(0) if event["type"] == "user_message")
    assert len(encode(event)) < MAX_FRAME_BYTES


async def test_a_repeated_prompt_runs_once_even_after_a_restart():
    log = SQLiteLog()
    session, runner = open_session(log)
    parts = [{"text": "What is this?"}, picture()]

    assert ask(session, parts, "m1") == ask(session, parts, "m1")
    assert len(runner.runs) == len(session.state["messages"]) == 1
    runner.run.end()

    again, other = open_session(log)
    assert ask(again, parts, "m1") == [{"type": "ack", "data": {"id": "m1"}}]
    assert (len(again.state["messages"]), other.runs) == (1, [])


@pytest.mark.parametrize(
    "other",
    [
        "What is this?",
        [{"text": "What is this?"}, picture(JPEG)],
        [{"text": "What is this?"}, picture(), picture()],
        [{"text": "What is that?"}, picture()],
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
async def test_the_same_id_for_other_parts_is_a_conflict(other: Any, restarted: bool) -> None:
    log = SQLiteLog()
    session, runner = open_session(log)
    ask(session, [{"text": "What is this?"}, picture()], "m1")
    if restarted:
        runner.run.end()
        session, _ = open_session(log)

    (reply,) = ask(session, other, "m1")

    assert reply["data"]["code"] == "id_conflict"


async def test_parts_with_the_id_of_an_earlier_text_are_a_conflict_after_a_restart():
    log = SQLiteLog()
    session, runner = open_session(log)
    ask(session, "What is this?", "m1")
    runner.run.end()

    (reply,) = ask(open_session(log)[0], [{"text": "What is this?"}, picture()], "m1")

    assert reply["data"]["code"] == "id_conflict"


async def test_follow_ups_get_the_earlier_parts():
    session, runner = open_session()
    ask(session, [{"text": "What is this?"}, picture()], "m1")
    runner.run.emit({"type": "final_answer", "content": "A plot."})
    runner.run.end()

    ask(session, "Of what?", "m2")

    (turn,) = runner.run.spec.history
    assert (turn["prompt"], turn["answer"]) == ("What is this?\n\n[image: plot.png]", "A plot.")
    assert turn["parts"] == [{"text": "What is this?"}, picture()]
    runner.run.end()
    ask(session, "And?", "m3")
    assert "parts" not in runner.run.spec.history[1]


async def test_follow_ups_get_the_newest_attachments_up_to_a_limit():
    session, runner = open_session()
    for number in range(3):
        ask(session, [table(bytes([number]) * 7 * 1024**2, f"{number}.csv")], f"m{number}")
        runner.run.end()

    ask(session, "All?", "m3")

    kept = [next(iter(turn["parts"][0])) for turn in runner.run.spec.history]
    assert kept == ["text", "text", "file"]
    assert runner.run.spec.history[0]["parts"] == [{"text": "[file: 0.csv]"}]


async def test_a_steering_prompt_with_attachments_gets_its_own_run():
    session, runner = open_session()
    ask(session, "one", "m1")

    ask(session, [{"text": "look"}, picture()], "m2", steer=True)

    assert runner.run.host.steering() == []
    runner.run.end()
    assert runner.run.spec.parts[1] == picture()


async def test_contents_are_stored_once_and_deleted_with_the_session(tmp_path):
    store = SessionStore(tmp_path / "sessions.db", "the test")
    session, _ = open_session(store)
    ask(session, [picture(), picture(name="again.png")], "m1")
    ask(session, [picture()], "m2")
    parts = [part["image"] for message in session.state["messages"] for part in message["parts"]]

    assert [found["id"] for found in store.search("again.png")["sessions"]] == ["demo"]
    assert len({part["blob"] for part in parts}) == 1
    assert [part["name"] for part in parts] == ["plot.png", "again.png", "plot.png"]
    store.delete("demo")
    with pytest.raises(KeyError):
        store.get_blob("demo", parts[0]["blob"])
    store.close()


async def test_clearing_deletes_the_contents():
    session, _ = open_session()
    ask(session, [picture()], "m1")
    sha256 = session.state["messages"][0]["parts"][0]["image"]["blob"]

    session.clear()

    with pytest.raises(KeyError):
        session.blob(sha256)


async def test_contents_do_not_stay_in_memory():
    session, _ = open_session()
    ask(session, [table(bytes(1024**2))], "m1")

    assert len(json.dumps(session.state)) < 4096
