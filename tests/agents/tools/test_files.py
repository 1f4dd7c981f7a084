from __future__ import annotations

import json

import pytest

from reasoning_widget.agents.tools import files
from reasoning_widget.agents.tools.files import FileRefused, entries, read_blocks, resolve, text_files


def paths(root):
    return [file.path for file in text_files(root)]


def test_only_text_files_are_found(tmp_path):
    for name in ("a.md", "deep/er/b.py", "README"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    for name in (".hidden.md", ".git/c.md", "node_modules/d.js", "env/pyvenv.cfg", "env/lib/e.py", "photo.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "large.txt").write_text("x" * (files.MAX_FILE_BYTES + 1))
    assert paths(tmp_path) == ["README", "a.md", "deep/er/b.py"]


def test_links_to_the_outside_are_not_followed(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.md").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.md").write_text("secret")
    (root / "link.md").symlink_to(tmp_path / "secret.md")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "inside.md").write_text("x")
    (root / "alias.md").symlink_to(root / "inside.md")
    assert paths(root) == ["alias.md", "inside.md"]
    assert entries(root, root) == ["alias.md", "inside.md"]
    with pytest.raises(FileRefused, match="outside"):
        resolve(root, "link.md")


@pytest.mark.parametrize("path", ["../secret.md", "sub/../../secret.md", "/etc/passwd", "folder/../../x"])
def test_a_path_to_the_outside_is_refused(tmp_path, path):
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "secret.md").write_text("secret")
    with pytest.raises(FileRefused):
        resolve(root, path)


def test_hidden_files_are_refused(tmp_path):
    (tmp_path / ".env").write_text("KEY=1")
    with pytest.raises(FileRefused, match="hidden"):
        resolve(tmp_path, ".env")


def test_the_cells_of_a_notebook_are_read_except_those_that_ask_a_chat(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "Text"]},
        {"cell_type": "code", "source": 'chat = ReasoningChat(agent="researcher")\nchat.ask("Where is it?")'},
        {"cell_type": "code", "source": "x = 1", "outputs": [{"text": "printed"}]},
    ]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    assert [(block.label, block.lines) for block in read_blocks(path)] == [
        ("cell 1, ", ("# Title", "Text")),
        ("cell 3, ", ("x = 1",)),
    ]


def test_html_is_read_without_tags_and_keeps_its_line_numbers(tmp_path):
    path = tmp_path / "p.html"
    path.write_text("<html>\n<script>\nvar secret\n</script>\n<p class='a'>Hello <b>you</b></p>\n")
    lines = read_blocks(path)[0].lines
    assert lines[4].split() == ["Hello", "you"]
    assert "secret" not in " ".join(lines)


@pytest.mark.parametrize(("name", "data"), [("a.txt", b"ab\0cd"), ("b.ipynb", b"no notebook")])
def test_a_file_that_is_not_text_is_refused(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FileRefused):
        read_blocks(tmp_path / name)


def test_text_in_another_encoding_is_read(tmp_path):
    (tmp_path / "a.txt").write_bytes("Prüfung".encode("latin-1"))
    assert read_blocks(tmp_path / "a.txt")[0].lines[0].startswith("Pr")
