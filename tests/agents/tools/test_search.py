from __future__ import annotations

import os

from reasoning_widget.agents.tools import search
from reasoning_widget.agents.tools.files import read_blocks
from reasoning_widget.agents.tools.search import Index, index_of


def found(index, query):
    return [f"{passage.path}:{passage.lines}" for passage in index.search(query)]


def test_the_best_passage_comes_first_with_its_lines(tmp_path):
    sections = [f"# Part {n}\n\n" + "Nothing of interest is written here. " * 6 + "\n" for n in range(6)]
    sections[3] += "The reactor is inspected every second Tuesday.\n"
    (tmp_path / "long.md").write_text("\n".join(sections))
    (tmp_path / "other.md").write_text("A text about gardens.\n")
    index = Index(tmp_path)
    (first, *_) = index.search("When are reactors inspected?")
    assert first.path == "long.md"
    assert "every second Tuesday" in first.text
    begin, end = map(int, first.lines.split("-"))
    lines = (tmp_path / "long.md").read_text().splitlines()
    assert "\n".join(lines[begin - 1 : end]) == first.text


def test_inflected_words_and_parts_of_names_are_found(tmp_path):
    (tmp_path / "code.py").write_text("def computeTotalPrice(orders): ...\nretry_limit = 4\n")
    (tmp_path / "text.md").write_text("Deadlines move.\n")
    index = Index(tmp_path)
    assert found(index, "price")[0] == "code.py:1-2"
    assert found(index, "retry limit")[0] == "code.py:1-2"
    assert found(index, "deadline") == ["text.md:1"]


def test_a_search_for_absent_words_finds_nothing(tmp_path):
    (tmp_path / "a.md").write_text("Something.\n")
    assert Index(tmp_path).search("zebra") == []
    assert Index(tmp_path).search("") == []
    assert Index(tmp_path / "empty").search("zebra") == []


def test_only_changed_files_are_read_again(tmp_path, monkeypatch):
    (tmp_path / "a.md").write_text("The heron is grey.\n")
    (tmp_path / "b.md").write_text("The otter is brown.\n")
    index = Index(tmp_path)
    assert found(index, "otter") == ["b.md:1"]
    read = []

    def reading(path):
        read.append(path.name)
        return read_blocks(path)

    monkeypatch.setattr(search, "read_blocks", reading)
    (tmp_path / "b.md").write_text("The marten is brown.\n")
    os.utime(tmp_path / "b.md", ns=(1, 1))
    (tmp_path / "c.md").write_text("The otter sleeps.\n")
    assert found(index, "otter") == ["c.md:1"]
    assert sorted(read) == ["b.md", "c.md"]
    (tmp_path / "c.md").unlink()
    assert found(index, "otter") == []


def test_a_folder_has_one_index(tmp_path):
    assert index_of(tmp_path) is index_of(tmp_path / "." / "x" / "..")
