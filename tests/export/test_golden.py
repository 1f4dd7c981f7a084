"""Sessions that earlier versions wrote into notebooks can be read by this one, and look the same."""

import json

import pytest

from reasoning_widget.export.html import to_html
from reasoning_widget.export.log import VERSION
from reasoning_widget.export.markdown import to_markdown
from reasoning_widget.export.reading import read_session
from reasoning_widget.export.saved import folded
from tests.fixtures.make_sessions import SESSIONS

FILES = sorted(SESSIONS.glob("v*.json"))
CUT = ["[masked: password]", "100 more characters were cut", "309 bytes of text/html are not included"]
SHOWN = {
    "session": CUT,
    "message": CUT,
    "rich": ["Really?", "Which lake?", "In blue", "drawn", "There it is.", "We talk.", "Waits"],
}


def in_this_version(state):
    """Convert the one bundle of version 1 to a list of one."""
    for step in state["steps"].values():
        if "output" in step:
            step["outputs"] = [step.pop("output")]
            if "scaled" in step:
                step["scaled"] = dict(zip("0", step["scaled"].values(), strict=True))
    return state


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_session_of_an_earlier_version_is_read_unchanged(path):
    golden = json.loads(path.read_text("utf-8"))

    read = read_session(golden["file"])

    assert read.notes == []
    assert folded(read.file) == in_this_version(golden["state"])
    for form in (to_html(folded(read.file)), to_markdown(folded(read.file))):
        assert [word for word in SHOWN[path.stem.partition("-")[2]] if word not in form] == []


@pytest.mark.parametrize(
    "path", sorted((SESSIONS.parent / "sessions").glob("version-*.json")), ids=lambda path: path.stem
)
def test_the_golden_files_of_the_page_can_be_read_too(path):
    session = json.loads(path.read_text("utf-8"))["session"]

    read = read_session(session)

    assert read.notes == []
    steps = {str(index): event["data"] for index, event in enumerate(session["events"])}
    in_this_version({"steps": steps})
    assert read.file["events"] == session["events"]


def test_each_version_has_its_golden_files():
    versions = range(1, VERSION + 1)
    assert {path.stem for path in FILES} >= {f"v{n}-{name}" for n in versions for name in SHOWN}
