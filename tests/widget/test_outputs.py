"""Outputs of tools in a real kernel: ordered, replaced and cleared, and never in the output of the cell."""

import ast

import nbclient
import nbformat
import pytest

from tests.widget.test_kernel import Page

TOOLS = """
import asyncio
from IPython.display import HTML, Markdown, clear_output, display, update_display
from reasoning_widget import BlockingAgent, ReasoningChat, current_run

class Shows(BlockingAgent):
    name = "shows"
    def __init__(self, *tools):
        self.tools = tools
    def run_blocking(self, prompt, max_iterations, emit):
        for number, tool in enumerate(self.tools):
            step = {"type": "tool_result", "id": str(number), "content": "", "tool": {"name": "t"}}
            emit({**step, "status": "streaming"})
            shown = []
            def show(outputs):
                shown[:] = outputs
                emit({**step, "outputs": outputs, "status": "streaming"})
            with current_run().capturing(show):
                tool()
            emit({**step, "outputs": list(shown), "status": "done"})

def of(*tools):
    return [[list(output.values())[0] for output in step.get("outputs", [])] for step in
            ReasoningChat(Shows(*tools)).ask("go").steps]

def page(text):
    return HTML(f"<b>{text}</b>")
"""


@pytest.fixture(scope="module")
def client(kernel):
    _, client = kernel
    Page(client).do(TOOLS)
    return client


@pytest.fixture
def page(client):
    return Page(client)


def shown(page, *tools):
    """Return the first form of each output of these tools, and check that the cell itself shows none of them."""
    bodies = [f"def tool_{number}():\n    {tool}\n" for number, tool in enumerate(tools)]
    names = ", ".join(f"tool_{number}" for number in range(len(tools)))
    request = page.do(f"{''.join(bodies)}print(of({names}))")
    for kind in ("display_data", "update_display_data"):
        assert [each for each in page.outputs(request, kind) if "<b>" in str(each["data"].get("text/html"))[:4]] == []
    assert page.outputs(request, "clear_output") == []
    return ast.literal_eval(page.printed(request))


@pytest.mark.parametrize(
    ("tool", "outputs"),
    [
        ("display(page(1)); display(page(2))", ["<b>1</b>", "<b>2</b>"]),
        ("display(page(1)); print('so'); display(page(2))", ["<b>1</b>", "so\n", "<b>2</b>"]),
        ("print(1); print(2); display(page(3)); print(4)", ["1\n2\n", "<b>3</b>", "4\n"]),
        ("display(page(1), page(1))", ["<b>1</b>", "<b>1</b>"]),
        ("display(1); print(2)", ["1\n2\n"]),
        ("display(Markdown('*a*')); display(page(2))", ["*a*", "<b>2</b>"]),
        # Cleared
        ("display(page(1)); clear_output(); display(page(2))", ["<b>2</b>"]),
        ("print(1); clear_output(wait=True); print(2)", ["2\n"]),
        ("display(page(1)); print(2); clear_output(wait=True)", ["<b>1</b>", "2\n"]),
        ("display(page(1)); print(2); clear_output(wait=False)", []),
        ("clear_output(); clear_output(wait=True); print(1); print(2)", ["1\n2\n"]),
        ("for n in range(50): clear_output(wait=True); display(page(n)); print(n)", ["<b>49</b>", "49\n"]),
        ("clear_output(wait=True); clear_output(); print(1); print(2)", ["1\n2\n"]),
        # Replaced
        ("h = display(page(1), display_id=True); h.update(page(2))", ["<b>2</b>"]),
        ("h = display(page(1), display_id=True); print('so'); h.update(page(2))", ["<b>2</b>", "so\n"]),
        ("h = display(page(1), display_id=True); display(page(3)); h.update(page(2))", ["<b>2</b>", "<b>3</b>"]),
        ("display(page(1), display_id='a'); update_display(page(2), display_id='a')", ["<b>2</b>"]),
        ("display(page(1), display_id='b'); display(page(2), display_id='b', update=True)", ["<b>2</b>"]),
        ("display(page(1), display_id='c'); display(page(2), display_id='c')", ["<b>2</b>", "<b>2</b>"]),
        ("h = display('begun', display_id=True); print('so'); h.update('done')", ["'done'", "so\n"]),
        ("h = display(1, display_id=True); print('so'); h.update(page(2))", ["<b>2</b>", "so\n"]),
        ("h = display(page(1), display_id=True); h.update(2); print('so')", ["2", "so\n"]),
        (
            "h = display(display_id=True); print('so'); h.display(page(1)); h.update(page(2))",
            ["<b>2</b>", "so\n", "<b>2</b>"],
        ),
        ("h = display(page(1), display_id=True); clear_output(); h.update(page(2)); print('so')", ["so\n"]),
        ("h = display(page(0), display_id=True); [h.update(page(n)) for n in range(200)]", ["<b>199</b>"]),
    ],
)
def test_the_outputs_of_a_tool_are_in_its_step_in_order(page, tool, outputs):
    assert shown(page, tool) == [outputs]


def test_a_display_handle_of_an_earlier_call_shows_updates_where_it_still_can(page):
    first = "global handle; handle = display(page(1), display_id=True)"

    assert shown(page, first, "print('so'); handle.update(page(2)); handle.update(page(3))") == [
        ["<b>1</b>"],
        ["so\n", "<b>3</b>"],
    ]
    assert shown(page, "handle.update(page(4))") == [["<b>4</b>"]]  # in another run


def test_a_display_of_the_user_is_updated_in_place(page):
    page.do("mine = display('mine', display_id='mine')")
    request = page.do("print(of(lambda: mine.update(page('theirs'))))")

    assert page.printed(request) == "[[]]"
    ids = [update["transient"]["display_id"] for update in page.outputs(request, "update_display_data")]
    assert ids.count("mine") == 1


GENERATORS = """
async def awaits(prompt):
    yield {"type": "thought", "content": "Hm."}
    yield {"type": "tool_use", "content": "", "tool": {"name": "draw", "arguments": "{}"}}
    print("first"); display(page(1))
    handle = display(page(2), display_id=True)
    await asyncio.to_thread(print, "second")
    handle.update(page(3))
    yield {"type": "tool_result", "content": "drawn", "tool": {"name": "draw"}}
    clear_output()
    yield {"type": "final_answer", "content": "There."}

def generates(prompt):
    yield {"type": "tool_use", "content": "", "tool": {"name": "draw", "arguments": "{}"}}
    print("lost"); clear_output(wait=True); print("first"); display(page(1)); display(page(3)); print("second")
    yield {"type": "tool_result", "content": "drawn"}
    yield {"type": "final_answer", "content": "There."}
"""


@pytest.mark.parametrize(
    ("agent", "outputs"),
    [
        ("awaits", ["first\n", "<b>1</b>", "<b>3</b>", "second\n"]),
        ("generates", ["first\n", "<b>1</b>", "<b>3</b>", "second\n"]),
    ],
)
def test_the_outputs_of_a_generator_belong_to_its_open_call(page, agent, outputs):
    page.do(GENERATORS)
    request = page.do(
        f"step = next(s for s in ReasoningChat({agent}).ask('go').steps if s['type'] == 'tool_result')\n"
        "print([step['content'], [list(output.values())[0] for output in step['outputs']]])"
    )

    assert ast.literal_eval(page.printed(request)) == ["drawn", outputs]
    assert page.outputs(request, "clear_output") == []


def test_in_an_executed_notebook_clearing_a_tools_output_keeps_the_transcript(kernel_name):
    tool = 'clear_output(wait=True); print("50 %"); clear_output(wait=True); print("100 %")'
    code = f"{TOOLS}{GENERATORS}\nReasoningChat(Shows(lambda: ({tool.replace('; ', ', ')}))).ask('go')"
    again = "ReasoningChat(generates).ask('go')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (code, again)])

    nbclient.NotebookClient(notebook, timeout=120, kernel_name=kernel_name).execute()

    first, second = (str(cell.outputs) for cell in notebook.cells)
    assert "100 %" in first
    assert "50 %" not in first
    assert "There." in second
    assert "lost" not in second
