import sqlite3

import pytest

from reasoning_widget.fold import Place
from reasoning_widget.session.log import LogConflict, StorageError
from reasoning_widget.session.sqlite import SQLiteLog


def event(seq, text="x"):
    return {"type": "session_info", "seq": seq, "data": {"title": text}}


@pytest.fixture(params=["memory", "file"])
def log(request, tmp_path):
    log = SQLiteLog(":memory:" if request.param == "memory" else tmp_path / "log.sqlite")
    yield log
    log.close()


def test_events_are_read_in_order(log):
    log.begin("s", "e1")
    log.append("s", 0, [event(1), event(2, "ü")])
    log.append("s", 2, [event(3)])

    assert log.read("s") == [event(1), event(2, "ü"), event(3)]
    assert log.read("s", 2) == [event(3)]
    assert log.position("s") == ("e1", 3)


def test_sessions_are_separate(log):
    log.begin("a", "e1")
    log.begin("b", "e2")
    log.append("a", 0, [event(1)])

    assert (log.read("b"), log.position("c")) == ([], None)


def test_a_second_writer_is_refused_and_nothing_is_written(log):
    log.begin("s", "e1")
    log.append("s", 0, [event(1)])

    with pytest.raises(LogConflict):
        log.append("s", 0, [event(1), event(2)])
    assert log.position("s") == ("e1", 1)


def test_a_new_epoch_deletes_everything(log):
    log.begin("s", "e1")
    log.append("s", 0, [event(1)])
    log.save_open_text("s", {("step", Place("content")): (1, 0, "text")})
    log.put_blob("s", "hash", {"a": 1})
    log.begin("s", "e2")

    assert (log.read("s"), log.position("s"), log.open_text("s")) == ([], ("e2", 0), {})
    with pytest.raises(KeyError):
        log.get_blob("s", "hash")


def test_open_text_and_blobs(log):
    log.begin("s", "e1")
    log.save_open_text("s", {("step", Place("content")): (1, 0, "old")})
    log.save_open_text("s", {("step", Place("output", 2)): (2, 5, "new")})
    log.put_blob("s", "hash", [1, "ü"])
    log.put_blob("s", "hash", [1, "ü"])

    assert log.open_text("s") == {("step", Place("output", 2)): (2, 5, "new")}
    assert log.get_blob("s", "hash") == [1, "ü"]


def test_the_event_that_closes_a_step_deletes_its_open_text(log):
    log.begin("s", "e1")
    texts = {("closed", Place("content")): (1, 0, "all of it"), ("open", Place("content")): (2, 0, "some of it")}
    log.save_open_text("s", texts)
    steps = [{"id": "closed", "status": "done", "content": ""}, {"id": "open", "status": "streaming", "content": ""}]
    log.append("s", 0, [{"type": "reasoning_step", "seq": seq, "data": step} for seq, step in enumerate(steps, 1)])

    assert list(log.open_text("s")) == [("open", Place("content"))]


def test_a_file_can_be_opened_again(tmp_path):
    log = SQLiteLog(tmp_path / "log.sqlite")
    log.begin("s", "e1")
    log.append("s", 0, [event(1)])
    log.close()

    again = SQLiteLog(tmp_path / "log.sqlite")
    assert again.read("s") == [event(1)]
    again.close()


def test_a_newer_file_is_left_untouched(tmp_path):
    path = tmp_path / "log.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()

    with pytest.raises(StorageError, match="newer reasoning-widget"):
        SQLiteLog(path)
    assert path.read_bytes() == before
