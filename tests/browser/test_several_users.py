"""Two people in JupyterLab on one server that identifies them, each with a separate browser window."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import open_window
from tests.browser.jupyter import jupyter_lab
from tests.browser.lab import Lab
from tests.browser.sidebar import Sidebar
from tests.jupyter import Jupyter
from tests.server.agents import CONFIG
from tests.server.people import COOKIE, as_
from tests.server.rest import call

SAID = "The xylophone is out of tune."
Visit = Callable[[str], Sidebar]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The file of the rights that the authorizer grants to others."""
    path = tmp_path / "rules"
    path.write_text("", encoding="utf-8")
    return path


@pytest.fixture
def shared(tmp_path: Path, rules: Path) -> Iterator[Jupyter]:
    config = {
        "ServerApp": {
            "identity_provider_class": "tests.server.people.Cookies",
            "authorizer_class": "tests.server.people.Asked",
        },
        "Asked": {"rules": str(rules)},
        "ReasoningApp": {"agents": CONFIG, "spare_workers": 0, "sharing": "authorizer"},
    }
    with jupyter_lab(tmp_path, {}, config) as server:
        yield server


@pytest.fixture
def visit(browser: Browser, shared: Jupyter) -> Iterator[Visit]:
    """Open JupyterLab as a person, with the panel of sessions."""
    with contextlib.ExitStack() as stack:

        def visit(name: str) -> Sidebar:
            window = stack.enter_context(contextlib.closing(open_window(browser, shared, {})))
            window.add_cookies([{"name": COOKIE, "value": name, "url": shared.origin}])
            sidebar = Sidebar(Lab(window, shared, name).empty())
            sidebar.show()
            return sidebar

        yield visit


def test_the_authorizer_decides_about_other_users_and_authors_are_shown(visit, shared, rules):
    ada, eve = visit("ada"), visit("eve")
    chat = ada.new()
    chat.agent.select_option("echo")
    chat.ask(SAID)
    expect(chat.card("Final answer")).to_contain_text(f"You said: {SAID}")
    expect(chat.questions).to_have_text([SAID])
    (info,) = call(shared, "GET", "sessions", headers=as_("ada")).json["sessions"]
    assert info["owner"] == "ada"

    # Without rights, another person does not see the session.
    eve.search.fill("xylophone")
    expect(eve.region.get_by_role("status")).to_contain_text("No session contains")
    expect(eve.sessions).to_have_count(0)

    # With the right to read, they watch it and see the authors.
    rules.write_text(f"eve read {info['id']}", encoding="utf-8")
    eve.search.fill("xylo")
    eve.session(SAID).get_by_role("button", name=SAID).first.click()
    guest = eve.chat
    expect(guest.card("Final answer")).to_contain_text(f"You said: {SAID}")
    by_ada, by_eve = (
        {view: view.region.get_by_role("group", name=name, exact=True) for view in (chat, guest)}
        for name in ("Ada Lovelace", "Eve van der Berg")
    )
    expect(by_ada[guest]).to_contain_text([SAID])
    expect(guest.questions).to_have_count(0)
    guest.ask("So is the organ.")
    expect(guest.region.get_by_role("alert")).to_contain_text("you may watch this session, but not take part in it")
    expect(by_eve[chat]).to_have_count(0)

    # With the right to execute, they take part under their own name.
    rules.write_text(f"eve read {info['id']}\neve execute {info['id']}", encoding="utf-8")
    guest.ask("And the organ, too.")
    for view in (chat, guest):
        expect(view.card("Final answer", 1)).to_contain_text("You said: And the organ, too.")
        expect(by_ada[view]).to_contain_text([SAID])
        expect(by_eve[view]).to_contain_text(["And the organ, too."])
    answer = call(shared, "GET", f"sessions/{info['id']}", headers=as_("eve"))
    assert (answer.status, answer.json["owner"], answer.json["messages"]) == (200, "ada", 2)

    # Access ends when the rights are revoked.
    rules.write_text("", encoding="utf-8")
    eve.back()
    eve.search.fill("xylophone")
    expect(eve.sessions).to_have_count(0)
    chat.ask("Alone again.")
    expect(chat.card("Final answer", 2)).to_contain_text("You said: Alone again.")
