"""Images and files of prompts in exports and in the snapshots of notebooks."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from traitlets.config import Config

from reasoning_widget.export.frame import to_csv
from reasoning_widget.export.html import to_html
from reasoning_widget.export.log import complete_file
from reasoning_widget.export.markdown import to_markdown, to_plain
from reasoning_widget.export.notebook import to_notebook
from reasoning_widget.export.reading import read_session
from reasoning_widget.export.saved import SavedTranscript, Saver, folded, masked
from reasoning_widget.fold import Transcript
from reasoning_widget.parts import attachments_of, from_logged
from reasoning_widget.protocol import Attachment
from reasoning_widget.session.session import Session
from reasoning_widget.session.sqlite import SQLiteLog
from tests.export.sessions import KEY, photograph, png
from tests.parts import PNG, address
from tests.session.manual import ask, open_session

SHOWN = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def played(*prompts: Any, log: SQLiteLog | None = None) -> Session:
    session, runner = open_session(log)
    for number, prompt in enumerate(prompts):
        ask(session, prompt, f"m{number}")
        runner.run.emit({"type": "final_answer", "content": "There."})
        runner.run.end()
    return session


def exported(session: Session) -> Transcript:
    """Return the transcript that exports are made from."""
    return masked(session.state, session.events_after(0), session.blob)


def saved(session: Session, **limits: int) -> dict[str, Any]:
    """Return the file that a notebook keeps."""
    saver = Saver(SavedTranscript(config=Config({"SavedTranscript": limits})), session.blob)
    return dict(saver.file(session.state, session.events_after(0)))


def attachments(file: dict[str, Any]) -> list[Attachment]:
    messages = [event["data"] for event in file["events"] if event["type"] == "user_message"]
    return [each for message in messages for each in attachments_of(message)]


PROMPT = [
    {"text": "What <b>is</b>"},
    {"image": address(PNG), "name": "red](x)<b>.png"},
    {"text": "this?"},
    {"file": address(b"a,b\n", "text/csv"), "name": "table.csv"},
]


async def test_pages_show_images_and_name_files():
    page = to_html(exported(played(PROMPT)))

    assert f'<img alt="red](x)&lt;b&gt;.png" src="{SHOWN}"' in page
    assert "What &lt;b&gt;is&lt;/b&gt;<br><br>this?" in page
    assert "[file: table.csv]" in page
    assert "[image: " not in page


async def test_markdown_shows_images_and_names_files():
    state = exported(played(PROMPT))

    assert f"![red(x)b.png]({SHOWN})" in to_markdown(state, pictures=True)
    assert "*[file: table.csv]*" in to_markdown(state, pictures=True)
    assert "*[file: table.csv]*" in to_markdown(state)
    assert "base64" not in to_markdown(state)


async def test_text_and_tables_name_the_attachments():
    state = exported(played(PROMPT))

    assert "> [file: table.csv]" in to_plain(state)
    assert "[image: red](x)<b>.png]" in to_plain(state)
    assert "[file: table.csv]" in to_csv(state)


async def test_a_notebook_has_the_image_beside_its_cell():
    cell = to_notebook(exported(played(PROMPT))).cells[1]

    ((name, bundle),) = cell.attachments.items()
    assert f"](attachment:{name})" in cell.source
    assert bundle == {"image/png": base64.b64encode(PNG).decode()}


async def test_a_prompt_without_a_text_consists_of_its_attachments():
    state = exported(played([{"image": address(PNG), "name": "red.png"}]))

    assert to_html(state).count("red.png") == 1
    assert to_plain(state).startswith("> [image: red.png]")


async def test_an_exported_prompt_is_read_back_completely():
    log = SQLiteLog()
    session = played(PROMPT, log=log)

    read = read_session(json.dumps(complete_file(session.state, log)))

    assert read.notes == []
    state = folded(read.file)
    assert [message["content"] for message in state["messages"]] == ["What <b>is</b>\n\nthis?"]
    assert SHOWN in to_html(masked(state, read.file["events"], read.file["blobs"].__getitem__))
    assert {each["name"] for each in attachments(dict(read.file))} == {"red](x)<b>.png", "table.csv"}
    assert len(read.file["blobs"]) == 2


async def test_a_notebook_keeps_smaller_images_and_no_files():
    large = base64.b64decode(photograph(1200, 900))
    session = played([{"image": address(large), "name": "lake.png"}, {"file": address(b"1"), "name": "a.txt"}])

    file = saved(session)

    image, kept = attachments(file)
    ((sha256, encoded),) = file["blobs"].items()
    assert image["blob"] == sha256
    assert image["bytes"] == len(base64.b64decode(encoded)) < len(large) // 4
    assert image["name"] == "lake.png"
    assert (kept["name"], kept["bytes"]) == ("a.txt", 1)
    assert encoded in to_html(folded(file))  # type: ignore[arg-type]
    assert read_session(file).notes == []


async def test_a_small_image_is_kept_unchanged():
    file = saved(played([{"image": address(PNG), "name": "red.png"}]))

    (image,) = attachments(file)
    assert file["blobs"] == {image["blob"]: base64.b64encode(PNG).decode()}
    assert image["bytes"] == len(PNG)


async def test_without_room_the_oldest_images_are_only_named():
    sides = (200, 201, 202)
    pictures = [{"image": address(base64.b64decode(png(side, side))), "name": f"{side}.png"} for side in sides]
    session = played(*([picture] for picture in pictures))

    file = saved(session, max_values=2 * len(png(202, 202)))

    assert [image["blob"] in file["blobs"] for image in attachments(file)] == [False, True, True]
    page = to_html(folded(file))  # type: ignore[arg-type]
    assert "[image: 200.png]" in page
    assert page.count("<img") == 2


async def test_secrets_are_masked_in_texts_and_names():
    session = played([{"text": f"My key is {KEY}"}, {"file": address(b"1"), "name": f"{KEY}.txt"}])

    assert KEY not in json.dumps(saved(session))
    assert KEY not in to_html(exported(session)) + to_markdown(exported(session))


async def test_long_texts_are_cut_in_parts_too():
    session = played([{"text": "x" * 20_000}, {"image": address(PNG), "name": "red.png"}])

    file = saved(session, max_texts=2_000)

    assert len(json.dumps(file["events"])) < 10_000
    assert "more characters were cut" in to_html(folded(file))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "left"),
    [
        ("no list", None),
        ([{"text": "hi"}, 5, {"image": 5}, {"image": {"blob": "x"}}], None),
        ([{"text": "hi"}, {"file": {"blob": "x", "mime": "text/csv", "bytes": 1, "name": "a.csv"}}, {"text": 1}], 2),
    ],
)
async def test_unreadable_parts_are_omitted(parts, left):
    file = json.loads(json.dumps(saved(played("hi"))))
    for event in file["events"]:
        if event["type"] == "user_message":
            event["data"]["parts"] = parts

    (message,) = folded(read_session(file).file)["messages"]

    assert message["content"] == "hi"
    assert (len(message["parts"]) if "parts" in message else None) == left


async def test_other_content_in_place_of_an_image_is_not_shown():
    file = json.loads(json.dumps(saved(played([{"text": "?"}, {"image": address(PNG), "name": "red.png"}]))))
    (sha256,) = file["blobs"]
    file["blobs"][sha256] = '"><script>alert(1)</script>'

    page = to_html(folded(read_session(file).file))

    assert "script" not in page
    assert "[image: red.png]" in page


async def test_folders_are_removed_from_the_names_in_a_file():
    log = SQLiteLog()
    file: Any = json.loads(json.dumps(complete_file(played(PROMPT, log=log).state, log)))
    for event in file["events"]:
        for each in attachments_of(event["data"]):
            each["name"] = "../../a.txt"

    read = read_session(file).file
    (message,) = folded(read)["messages"]

    parts = from_logged(message["parts"], read["blobs"].__getitem__)
    assert [part.get("name") for part in parts][1::2] == ["a.txt"] * 2


async def test_the_name_of_a_picture_cannot_end_markup():
    state = exported(played([{"image": address(PNG), "name": "](https://example.org) <img src=x> `.png"}]))

    (line,) = [line for line in to_markdown(state, pictures=True).splitlines() if SHOWN in line]
    assert re.fullmatch(r"!\[[^\[\]<>`]*\]\(data:[^()]*\)", line)
