from __future__ import annotations

import pytest

from reasoning_widget.agents.tools.qwen import Calculate, ReadFile, SearchFiles, ToolFailed


def test_a_search_returns_passages_with_their_locations(tmp_path):
    (tmp_path / "a.md").write_text("The heron is grey.\n")
    assert SearchFiles(tmp_path).call('{"query": "heron"}') == "[a.md:1]\nThe heron is grey."


def test_a_search_without_results_lists_the_existing_files(tmp_path):
    assert "no text files" in SearchFiles(tmp_path).call({"query": "heron"})
    (tmp_path / "a.md").write_text("Something.\n")
    assert "a.md" in SearchFiles(tmp_path).call({"query": "heron"})


def test_a_file_is_found_without_its_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "plan.md").write_text("First\nSecond\n")
    assert ReadFile(tmp_path).call({"path": " plan.md"}) == "[sub/plan.md:1-2]\nFirst\nSecond"


def test_a_folder_is_listed(tmp_path):
    for name in ("sub/plan.md", "a.md", "photo.png", ".env"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert ReadFile(tmp_path).call({"path": "."}) == "The folder holds 2 files: a.md, photo.png, and 1 folder: sub/."
    assert ReadFile(tmp_path).call({"path": "sub"}) == "The folder holds 1 file: plan.md."
    (tmp_path / "sub" / "plan.md").unlink()
    assert ReadFile(tmp_path).call({"path": "sub/"}) == "The folder is empty."


def test_a_long_list_of_names_is_shortened_and_the_rest_counted(tmp_path):
    for number in range(1, 6):
        (tmp_path / f"{number}.md").write_text("x")
    listed = ReadFile(tmp_path, max_names=2).call({"path": "."})
    assert listed == "The folder holds 5 files: 1.md, 2.md, … and 3 more."


def test_the_error_for_a_missing_file_lists_the_existing_ones(tmp_path):
    with pytest.raises(ToolFailed, match=r"There is no file plan\.md\.$"):
        ReadFile(tmp_path).call({"path": "plan.md"})
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "plan.md").write_text("x")
    with pytest.raises(ToolFailed, match=r"There are: a/plan\.md, b/plan\.md$"):
        ReadFile(tmp_path).call({"path": "plan.md"})
    with pytest.raises(ToolFailed, match=r"There are: a/, b/$"):
        ReadFile(tmp_path).call({"path": "notes.md"})


def test_a_long_file_is_shortened_with_a_note(tmp_path):
    (tmp_path / "long.txt").write_text("word " * 10_000)
    text = ReadFile(tmp_path, max_chars=100).call({"path": "long.txt"})
    assert len(text) < 200
    assert "cut" in text


@pytest.mark.parametrize("arguments", ["not JSON", "[]", '{"other": 1}'])
def test_invalid_arguments_are_explained_to_the_model(tmp_path, arguments):
    with pytest.raises(ToolFailed, match='"path"'):
        ReadFile(tmp_path).call(arguments)


def test_an_impossible_request_fails_with_a_message(tmp_path):
    with pytest.raises(ToolFailed, match="outside"):
        ReadFile(tmp_path).call({"path": "../x"})
    with pytest.raises(ToolFailed, match="zero"):
        Calculate().call({"expression": "1/0"})
    assert Calculate().call({"expression": "6*7"}) == "6*7 = 42"
