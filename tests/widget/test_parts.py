"""Prompts with images and files, sent from code and from a page, without a kernel."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reasoning_widget import ReasoningChat, current_run
from tests.parts import PNG, Looks, address
from tests.server.client import new_session

SEEN = f"look | red.png data:image/png;base64 {len(PNG)}"


@pytest.fixture
def open_chat():
    chats = []

    def make(agent=None, **options):
        chats.append(ReasoningChat(agent or Looks(), **options))
        return chats[-1]

    yield make
    for chat in chats:
        chat.close()


def test_a_prompt_may_have_paths_bytes_and_addresses(open_chat, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "red.png").write_bytes(PNG)
    (tmp_path / "table.csv").write_text("a,b\n")
    chat = open_chat()

    answer = chat.ask(
        [
            {"text": "look"},
            {"image": tmp_path / "red.png"},
            {"image": "~/red.png", "name": "other.png"},
            {"image": PNG},
            {"image": address(PNG)},
            {"file": str(tmp_path / "table.csv")},
            {"file": b"a,b\n", "name": "again.csv"},
            {"file": "data:text/plain,a%20b"},
        ]
    )

    image, file = f"data:image/png;base64 {len(PNG)}", "data:text/csv;base64 4"
    assert answer.text.split(" | ") == [
        *("look", f"red.png {image}", f"other.png {image}", f"image.png {image}", f"image.png {image}"),
        *(f"table.csv {file}", f"again.csv {file}", "file.txt data:text/plain;base64 3 []"),
    ]


def test_a_follow_up_gets_the_earlier_attachments(open_chat):
    chat = open_chat()
    chat.ask([{"text": "look"}, {"image": PNG, "name": "red.png"}])

    assert chat.ask("again").text == f"again [{SEEN!r}]"


def test_parts_can_be_streamed(open_chat):
    async def read():
        return [
            step["content"] async for step in open_chat().stream([{"text": "look"}, {"image": PNG, "name": "red.png"}])
        ]

    assert asyncio.run(read()) == [f"{SEEN} []"]


def test_agents_that_take_a_text_get_the_names_and_can_read_the_parts(open_chat):
    async def echo(prompt):
        yield {"type": "final_answer", "content": f"{prompt!r} {[*map(list, current_run().parts)]}"}

    answer = open_chat(echo).ask([{"image": PNG, "name": "red.png"}, {"text": "look"}])

    assert answer.text == "'look\\n\\n[image: red.png]' [['image', 'name'], ['text']]"


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([], "empty"),
        ([{"text": "look"}, {"image": b"no picture"}], "PNG, JPEG, GIF and WebP are accepted"),
        ([{"image": "none.png"}], "image none.png cannot be read: No such file"),
        ([{"image": "https://example.org/a.png"}], "nothing is fetched from elsewhere"),
        ([{"file": b"1"}], "needs a `name`"),
        ([{"file": "."}], "cannot be read"),
        (
            [{"file": bytes(8 * 1024**2 + 1), "name": "long.csv"}],
            r"long\.csv is 8\.1 MiB large, and 8 MiB is the limit",
        ),
        ([{"image": PNG + bytes(5 * 1024**2)}], "5 MiB is the limit for images: make it smaller"),
        ([{"file": b"1", "name": f"{n}"} for n in range(11)], "10 is the limit"),
        ([{"image": 5}], "a path, bytes or a `data:` address, not int"),
        ([{"image": "data:image/png;base64,!"}], "not valid base64"),
        ([{"sound": "a.wav"}], "one of `text`, `image` and `file`"),
        (["look"], "one of `text`, `image` and `file`"),
        ([{"text": 5}], "`text` of a part is a text, not int"),
        ([{"image": PNG, "name": 5}], "`name` of a part"),
        (5, "a text or a list of parts, not int"),
        (b"look", "a text or a list of parts, not bytes"),
    ],
)
def test_an_invalid_part_raises_an_error_and_nothing_is_asked(open_chat, tmp_path, monkeypatch, parts: Any, says):
    monkeypatch.chdir(tmp_path)
    chat = open_chat()

    with pytest.raises(ValueError, match=says):
        chat.ask(parts)
    assert chat.runs == []
    assert chat.ask("still there?").status == "completed"


def test_a_file_that_is_too_large_is_not_read(open_chat, tmp_path):
    with (tmp_path / "long.bin").open("wb") as file:
        file.truncate(10**12)

    with pytest.raises(ValueError, match="953674 MiB large"):
        open_chat().ask([{"file": tmp_path / "long.bin"}])


def test_an_endless_device_is_refused(open_chat):
    with pytest.raises(ValueError, match=r"zero is 8\.1 MiB large"):
        open_chat().ask([{"file": "/dev/zero"}])


def test_a_chat_on_a_server_sends_its_parts_there(server):
    chat = ReasoningChat(server=server.origin, session_id=new_session(), token=server.token)
    try:
        answer = chat.ask([{"text": "look"}, {"image": PNG, "name": "red.png"}], agent="looks")
        assert answer.text == f"{SEEN} []"
        assert ReasoningChat.from_json(chat.to_json(), Looks()).ask("again").text == f"again [{SEEN!r}]"
    finally:
        chat.close()
