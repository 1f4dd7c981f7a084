"""Figures that tools draw with pyplot, in a real kernel."""

import json

import pytest

from tests.scripted_model import call
from tests.widget.test_kernel import Page, custom

TOOLS = """
import json, threading
import matplotlib.pyplot as plt
from IPython.display import display
from reasoning_widget import BlockingAgent, ReasoningChat, current_run

class Draws(BlockingAgent):
    name = "draws"
    def __init__(self, tool):
        self.tool = tool
    def run_blocking(self, prompt, max_iterations, emit):
        step = {"type": "tool_result", "id": "r", "content": "", "tool": {"name": "t"}, "status": "streaming"}
        emit(step)
        with current_run().capturing(lambda outputs: emit({**step, "outputs": outputs})):
            self.tool()

def pictures(steps):
    shown = [[mime for output in step.get("outputs", []) for mime in output] for step in steps]
    return [sum(mime.startswith("image/") for mime in mimes) for mimes in shown]

def drawing_tool(tool):
    return ReasoningChat(Draws(tool))
"""


@pytest.fixture
def page(kernel):
    page = Page(kernel[1])
    page.do("%matplotlib inline\n" + TOOLS)
    return page


def pictures_in(page, code):
    """Return how many pictures the cell itself shows."""
    shown = page.outputs(page.do(code), "display_data")
    return sum("image/png" in output["data"] for output in shown)


def value(page, code):
    return json.loads(page.printed(page.do(f"print(json.dumps({code}))")))


SURVIVES = """
plt.close("all")
handled = threading.Semaphore(0)
get_ipython().events.register("post_execute", handled.release)
def wait_for_messages():
    for _ in range(4):
        assert handled.acquire(timeout=60)
"""


def send_until_the_run_ends(page, comm):
    for _ in range(5):
        page.send(comm, {"type": "attach", "payload": {"epoch": None, "after": 0}})
    page.until(custom("run_finished"))


@pytest.mark.parametrize("by", ["ask", "send"])
def test_an_unfinished_figure_survives_messages_of_the_page(page, by):
    page.do(
        SURVIVES
        + """
def tool():
    plt.plot([1, 2])
    wait_for_messages()
    plt.title("finished")
    axes.append(plt.gca())
    plt.show()
axes = []
chat = drawing_tool(tool)
"""
    )
    page.open_subshell()
    comm = page.chat()
    if by == "ask":
        request = page.run('chat.ask("go")')
    else:
        page.send(comm, {"type": "attach", "payload": {"epoch": None, "after": 0}})
        page.send(comm, {"type": "chat", "id": "m1", "payload": {"message": "go", "agent_name": "draws"}})
    page.until(custom("reasoning_step"))
    send_until_the_run_ends(page, comm)
    if by == "ask":
        page.done(request)

    assert value(page, "pictures(chat.steps)") == [1]
    assert value(page, "[each.get_title() for each in axes]") == ["finished"]
    assert value(page, "len(axes[0].lines)") == 1


def test_the_backends_match_what_the_seam_expects(page):
    """Canary test: if this fails, a backend has changed, and `compat/pyplot.py` must be adapted."""
    page.do("import ipympl.backend_nbagg; from reasoning_widget.compat.pyplot import _publication_state")
    assert value(page, "[name for _, name in _publication_state()]") == [
        "_to_draw",
        "_draw_called",
        "_to_show",
        "_draw_called",
    ]


def test_the_open_figure_of_a_cell_stays_open_during_ask(page):
    page.do(
        SURVIVES
        + """
def tool():
    wait_for_messages()
    plt.plot([1, 2])
    with current_run().persons_figures():
        seen.append(plt.gca().get_title())
        plt.xlabel("by the tool")
seen = []
chat = drawing_tool(tool)
"""
    )
    page.open_subshell()
    comm = page.chat()
    request = page.run("""
plt.plot([1, 2]); plt.title("mine")
chat.ask("go")
labels = [plt.gca().get_title(), plt.gca().get_xlabel()]
""")
    page.until(custom("reasoning_step"))
    send_until_the_run_ends(page, comm)
    page.done(request)

    assert value(page, "[seen, labels, pictures(chat.steps)]") == [["mine"], ["mine", "by the tool"], [1]]
    assert sum("image/png" in output["data"] for output in page.outputs(request, "display_data")) == 1


@pytest.mark.parametrize(
    "how",
    [
        "plt.plot([1, 2])",
        "plt.plot([1, 2]); plt.show()",
        "plt.plot([1, 2]); plt.gcf().show()",
        "display(plt.plot([1, 2])[0].figure)",
        "display(plt.plot([1, 2])[0].figure); plt.savefig('/dev/null', format='png')",
        "plt.subplots(layout='constrained')[1].plot([1, 2]); display(plt.gcf())",
        "display(plt.plot([1, 2])[0].figure); plt.close()",
        "f = plt.figure(); t = threading.Thread(target=plt.plot, args=([1, 2],)); t.start(); t.join()",
        "t = threading.Thread(target=lambda: display(plt.plot([1, 2])[0].figure)); t.start(); t.join()",
        "plt.plot([1, 2]); plt.figure()",
        "import pandas as pd; pd.Series([1, 2]).plot()",
    ],
)
def test_each_figure_is_shown_once_in_its_step_and_never_in_a_cell(page, how):
    page.do(f"def tool():\n    {how}\nchat = drawing_tool(tool)")

    assert pictures_in(page, 'chat.ask("go")') == 0
    assert pictures_in(page, "plt.get_fignums()") == 0
    assert value(page, "pictures(chat.steps)") == [1]


def test_drawings_are_shown_once_too(page):
    page.do("%config InlineBackend.figure_formats = ['svg']")
    page.do("def tool():\n    display(plt.plot([1, 2])[0].figure)\nchat = drawing_tool(tool)")

    assert pictures_in(page, 'chat.ask("go")') == 0
    assert value(page, "[list(output) for output in chat.steps[0]['outputs']]") == [["image/svg+xml"]]
    page.do("%config InlineBackend.figure_formats = ['png']")


def test_two_runs_and_the_cell_can_draw_at_the_same_time(page):
    page.do("""
both, drawn = threading.Barrier(2), threading.Event()
def tool():
    plt.plot([1, 2])
    both.wait(60)
    figures.append(plt.gcf())
    assert drawn.wait(60)
    plt.title("a tool's")
figures = []
chats = [drawing_tool(tool) for _ in range(2)]
asking = [threading.Thread(target=chat.ask, args=("go",)) for chat in chats]
for thread in asking: thread.start()
while len(figures) < 2: pass
""")
    assert pictures_in(page, "plt.plot([1, 2]); plt.title('mine'); mine = plt.gcf()") == 1
    page.do("drawn.set()\nfor thread in asking: thread.join()")

    assert value(page, "len({mine, *figures})") == 3
    assert value(page, "[f.axes[0].get_title() for f in [mine, *figures]]") == ["mine", "a tool's", "a tool's"]
    assert value(page, "[pictures(chat.steps) for chat in chats]") == [[1], [1]]


def test_parallel_asynchronous_tools_have_their_own_figures(page):
    page.do("""
import asyncio
from reasoning_widget import BaseAgent
class Together(BaseAgent):
    name = "together"
    async def run_with_reasoning_stream(self, prompt, max_iterations=20):
        outputs, drawn = {}, []
        async def tool(number):
            with current_run().capturing(lambda output: outputs.update({number: output})):
                plt.plot([1, number])
                drawn.append(number)
                while len(drawn) < 3:
                    await asyncio.sleep(0)
                plt.title(f"number {number}")
                await asyncio.to_thread(print, "and printed", number)
                assert len(plt.gca().lines) == 1
                display(plt.gcf())
        await asyncio.gather(*map(tool, range(3)))
        for number in range(3):
            yield {"type": "tool_result", "content": "", "tool": {"name": "t"}, "outputs": outputs[number]}
chat = ReasoningChat(Together())
""")
    assert pictures_in(page, 'chat.ask("go")') == 0
    assert value(page, "pictures(chat.steps)") == [1, 1, 1]
    printed = value(page, "[step['outputs'][0]['text/plain'] for step in chat.steps]")
    assert printed == ["and printed 0\n", "and printed 1\n", "and printed 2\n"]


def test_figures_drawn_or_returned_by_tools_of_a_qwen_agent_are_shown_once(page, scripted_model):
    drawn = {"open": "None", "shown": "plt.show()", "figure": "plt.gcf()", "axes": "plt.gca()"}
    scripted_model.script("draw", [[call(f"draw_{name}", {}) for name in drawn], "Drawn."])
    tools = "".join(
        f"""
class Draw_{name}(BaseTool):
    name, description, parameters = "draw_{name}", "Draws.", []
    def call(self, params, **kwargs):
        plt.plot([1, {number}])
        return {returned}
"""
        for number, (name, returned) in enumerate(drawn.items())
    )
    page.do(f"""
from reasoning_widget.agents.qwen import import_qwen_agent
import_qwen_agent()
from qwen_agent.agents import Assistant
from qwen_agent.tools.base import BaseTool
{tools}
chat = ReasoningChat(Assistant(llm={scripted_model.llm()!r}, function_list=[{", ".join(f"Draw_{n}()" for n in drawn)}]))
""")
    assert pictures_in(page, 'chat.ask("draw")') == 0
    steps = "[step for step in chat.steps if step['type'] == 'tool_result']"
    assert value(page, f"pictures({steps})") == [1, 1, 1, 1]


def test_interactive_figures_are_shown_as_pictures(page):
    page.do("%matplotlib widget")
    page.do("plt.close('all'); mine = plt.figure()")
    for how in ("plt.plot([1, 2])", "plt.plot([1, 2]); plt.show()", "plt.plot([1, 2]); display(plt.gcf().canvas)"):
        page.do(f"def tool():\n    {how}\nchat = drawing_tool(tool)")
        assert pictures_in(page, 'chat.ask("go")') == 0
        assert value(page, "pictures(chat.steps)") == [1]
    assert value(page, "[plt.get_fignums() == [mine.number], mine.axes]") == [True, []]
    page.do("plt.close('all')\n%matplotlib inline")
