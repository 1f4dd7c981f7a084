"""JupyterLab in another language: with a language pack, all of the page is translated, including widgets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.jupyter import jupyter_lab

CHAT = 'from reasoning_widget import ReasoningChat\n\nReasoningChat(agent="assistant")'

GERMAN = {
    # Texts of the plugins.
    "Agent Sessions": ["Agentensitzungen"],
    "New session": ["Neue Sitzung"],
    "All sessions": ["Alle Sitzungen"],
    "%1 question": ["%1 Frage", "%1 Fragen"],
    "Export…": ["Exportieren …"],
    # Texts of the views, which the sidebar, live widgets and saved transcripts share.
    "Chat with %1": ["Gespräch mit %1"],
    "Cell of %1": ["Zelle aus %1"],
    "Message": ["Nachricht"],
    "Send": ["Senden"],
    "Final answer": ["Antwort"],
    "%1, step %2": ["%1, Schritt %2"],
    "Copy final answer, step %1": ["Antwort in Schritt %1 kopieren"],
    "Completed": ["Abgeschlossen"],
    "%2 step": ["%2 Schritt", "%2 Schritte"],
    "Find in the transcript": ["Im Protokoll suchen"],
    "Nothing found": ["Nichts gefunden"],
}


# JupyterLab's names for places that it shares with extensions.
GERMAN_OF_JUPYTERLAB = {"Other": ["Andere"], "Notebook Cell Operations": ["Zellen"]}


def write_language_pack(folder: Path) -> None:
    """Write an installed Python package that translates JupyterLab, like its official language packs."""
    name = "jupyterlab_language_pack_de"
    messages = folder / name / "locale" / "de" / "LC_MESSAGES"
    messages.mkdir(parents=True)
    (folder / name / "__init__.py").touch()
    plural = "nplurals=2; plural=(n != 1);"
    for domain, words in (("reasoning_widget", GERMAN), ("jupyterlab", GERMAN_OF_JUPYTERLAB)):
        about = {"domain": domain, "language": "de", "plural_forms": plural, "version": "0.1.0"}
        (messages / f"{domain}.json").write_text(json.dumps({"": about, **words}), encoding="utf-8")
    installed = folder / f"{name}-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (installed / "entry_points.txt").write_text(f"[jupyterlab.languagepack]\nde = {name}\n", encoding="utf-8")


@pytest.fixture(scope="module")
def jupyter(environment, tmp_path_factory):
    """A separate JupyterLab in German."""
    home, packs = tmp_path_factory.mktemp("german"), tmp_path_factory.mktemp("packs")
    write_language_pack(packs)
    path = os.pathsep.join(filter(None, [str(packs), os.environ.get("PYTHONPATH")]))
    server = jupyter_lab(home, {**environment, "PYTHONPATH": path})
    settings = home / "settings" / "@jupyterlab" / "translation-extension" / "plugin.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"locale": "de"}), encoding="utf-8")
    with server:
        yield server


@pytest.fixture
def window_options():
    return {}  # a separate window, because the shared one is not in German


def ask(region: Locator, question: str) -> None:
    """Ask in a chat in German, and wait for the answer, which is not translated."""
    region.get_by_role("textbox", name="Nachricht", exact=True).fill(question)
    region.get_by_role("button", name="Senden", exact=True).click()
    expect(region.get_by_role("article", name="Antwort, Schritt 1", exact=True)).to_contain_text("Very well.")
    expect(region.get_by_role("button", name="Antwort in Schritt 1 kopieren", exact=True)).to_be_visible()
    expect(region.get_by_text("Abgeschlossen", exact=True)).to_be_visible()
    expect(region.get_by_text("1 Schritt", exact=True).first).to_be_visible()


def test_the_sidebar_is_in_the_language_of_jupyterlab(lab):
    page = lab.open("1 + 1").page
    panel = page.get_by_role("region", name="Agentensitzungen", exact=True)
    page.evaluate("() => void window.jupyterapp.commands.execute('reasoning-widget:new-session')")
    expect(panel.get_by_role("heading", name="Neue Sitzung", exact=True)).to_be_visible()
    ask(panel.get_by_role("region", name="Gespräch mit ").first, "Sprichst du Deutsch?")
    page.evaluate("() => void window.jupyterapp.commands.execute('reasoning-widget:ask-about-cell')")
    expect(panel.get_by_text("Zelle aus notebook1.ipynb", exact=True)).to_be_visible()
    panel.get_by_role("button", name="Alle Sitzungen", exact=True).click()
    expect(panel.get_by_role("listitem")).to_contain_text("1 Frage")


def test_menus_and_settings_are_translated(lab):
    page = lab.open("1 + 1").page
    page.evaluate("() => void window.jupyterapp.commands.execute('launcher:create')")
    section = page.locator(".jp-Launcher-section").filter(has_text="Andere")
    expect(section.get_by_role("button", name="Agent Session", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Other", exact=True)).to_have_count(0)
    page.evaluate("() => void window.jupyterapp.commands.execute('apputils:activate-command-palette')")
    headers = page.locator(".lm-CommandPalette-header")
    expect(headers.get_by_text("Zellen", exact=True)).to_have_count(1)
    expect(headers.get_by_text("Notebook Cell Operations", exact=True)).to_have_count(0)


def test_live_widgets_and_saved_transcripts_are_translated(lab):
    notebook = lab.open(CHAT)
    notebook.run(0)
    output = notebook.output(0)
    chat = output.get_by_role("region", name="Gespräch mit assistant", exact=True)
    ask(chat, "Und du?")
    expect(output.get_by_role("button", name="Exportieren …", exact=True)).to_be_visible()
    notebook.wait_for_saved("Very well.")
    notebook.save()
    notebook.close()

    output = lab.open_without_kernel(notebook.path).output(0)
    chat = output.get_by_role("region", name="Gespräch mit assistant", exact=True)
    expect(chat.get_by_role("article", name="Antwort, Schritt 1", exact=True)).to_contain_text("Very well.")
    expect(chat.get_by_text("Abgeschlossen", exact=True)).to_be_visible()
    expect(chat.get_by_role("textbox")).to_have_count(0)
    output.get_by_role("searchbox", name="Im Protokoll suchen", exact=True).fill("Quark")
    expect(output.get_by_role("status").filter(has_text="Nichts gefunden")).to_be_visible()
