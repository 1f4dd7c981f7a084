"""The extension's schema for JupyterLab: its shortcuts do not collide with JupyterLab's own."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

SCHEMAS = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas"


@pytest.fixture
def schema(repository: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((repository / "js" / "schema" / "plugin.json").read_text("utf-8"))
    return read


def keys(schema: dict[str, Any]) -> set[tuple[str, ...]]:
    """Return the key chords of a schema's shortcuts on all systems, with Accel as Ctrl."""
    found: set[tuple[str, ...]] = set()
    for shortcut in schema.get("jupyter.lab.shortcuts", []):
        for name in ("keys", "winKeys", "macKeys", "linuxKeys"):
            chords = [" ".join(sorted(chord.replace("Accel", "Ctrl").split())) for chord in shortcut.get(name, [])]
            if chords:
                found.add(tuple(chords))
    return found


def test_no_shortcut_collides_with_jupyterlabs_own(schema: dict[str, Any]) -> None:
    theirs = {chords for path in SCHEMAS.rglob("*.json") for chords in keys(json.loads(path.read_text("utf-8")))}
    assert len(theirs) > 100
    ours = keys(schema)
    assert ours
    # A shorter sequence would prevent a longer one from being completed.
    begun = {chords[:length] for chords in theirs for length in range(1, len(chords) + 1)}
    assert ours & begun == set()


def test_every_command_in_the_schema_is_one_of_ours(schema: dict[str, Any], repository: Path) -> None:
    commands = (repository / "js" / "src" / "lab" / "commands.ts").read_text("utf-8")
    named = {shortcut["command"] for shortcut in schema["jupyter.lab.shortcuts"]}
    named |= {item["command"] for item in schema["jupyter.lab.menus"]["context"] if "command" in item}
    named |= {item["command"] for item in schema["jupyter.lab.toolbars"]["Cell"]}
    assert [command for command in named if f'"{command}"' not in commands] == []


def test_the_page_names_the_server_extension_to_enable(repository: Path) -> None:
    sources = [path.read_text("utf-8") for path in (repository / "js" / "src").rglob("*.ts*")]
    named = {name for text in sources for name in re.findall(r"jupyter server extension enable ([\w.]+\w)", text)}
    config = json.loads((repository / "reasoning_widget" / "server" / "jupyter_server_config.json").read_text("utf-8"))
    assert named == set(config["ServerApp"]["jpserver_extensions"])
