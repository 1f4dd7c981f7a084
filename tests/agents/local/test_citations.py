from __future__ import annotations

import pytest

from reasoning_widget.agents.local.citations import citation, with_source, without_source

RESULT = """[rules.md:1-3]
Goggles are worn in the yellow rooms.

[travel.md:7]
Hotels are paid up to 140 euros a night.

[notes.ipynb:cell 2, 1-4]
The meeting is about hotels."""


def cite(answer):
    return citation(answer, [("search_files", RESULT)])


def test_the_passage_most_similar_to_the_answer_is_cited():
    assert cite("Up to 140 euros.") == "travel.md:7"
    assert cite("One wears goggles there.") == "rules.md:1-3"
    assert cite("It is a meeting.") == "notes.ipynb:cell 2, 1-4"


def test_a_table_row_is_compared_by_its_cells():
    table = "[rooms.csv:1-3]\nname,room,price\ncentrifuge,B14,7300\nfreezer,C01,11200"
    assert citation("The centrifuge is in B14.", [("search_files", table)]) == "rooms.csv:1-3"


def test_an_answer_that_no_passage_supports_gets_no_source():
    assert cite("I do not know.") is None
    assert citation("Up to 140 euros.", [("calculate", "70 * 2 = 140")]) is None


def test_an_answer_with_its_own_citations_is_unchanged():
    assert cite("140 euros (travel.md:7).") is None


@pytest.mark.parametrize("answer", ["It is 69 m deep.", "It is\n\n69 m deep.\n"])
def test_the_model_gets_its_earlier_answers_without_sources(answer):
    assert without_source(with_source(answer, "stations.md:3-4")) == answer.rstrip()
    assert without_source(answer) == answer
