"""A notebook with a chat, converted without a kernel or a page, contains the transcript."""

import nbformat
import pytest
from nbconvert import HTMLExporter, MarkdownExporter, SlidesExporter

from reasoning_widget.export.html import to_html
from reasoning_widget.export.markdown import to_markdown
from tests.export.sessions import hand_made

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.mark.parametrize("exporter", [HTMLExporter, SlidesExporter, MarkdownExporter])
def test_a_converted_notebook_contains_the_transcript(exporter):
    state = hand_made(
        {"type": "tool_result", "content": "found it", "tool": {"name": "search"}},
        {"type": "final_answer", "content": "It is **this**."},
    )
    data = {
        VIEW: {"version_major": 2, "version_minor": 0, "model_id": "chat"},
        "text/html": to_html(state),
        "text/markdown": to_markdown(state),
        "text/plain": "A chat",
    }
    output = nbformat.v4.new_output("display_data", data=data)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("chat", outputs=[output])])

    converted, _ = exporter().from_notebook_node(notebook)

    for text in ("What is it?", "Tool result: search", "found it", "Final answer"):
        assert text in converted
    assert '"model_id"' not in converted
