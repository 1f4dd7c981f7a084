"""The chat in a real kernel: what a page receives, and what it can do while a cell is blocked."""

import base64
import json
from queue import Empty
from typing import Any

import pytest

from reasoning_widget.export.log import SESSION_MIME
from reasoning_widget.fold import new_transcript, receive
from reasoning_widget.protocol import MAX_FRAME_BYTES
from reasoning_widget.widget.core import core_source
from reasoning_widget.widget.display import VIEW_MIME as VIEW
from tests.scripted_model import call

AGENT = """
import asyncio, threading
from reasoning_widget import ReasoningChat
goes_on = threading.Event()
async def story(prompt):
    yield {"type": "thought", "content": "let me see"}
    text = ""
    for word in "once upon a time".split():
        text += word + " "
        yield {"type": "final_answer", "id": "a", "content": text}
    if prompt == "wait":
        await asyncio.Event().wait()
chat = ReasoningChat(story)
"""


PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)

TAKES_PARTS = """
from reasoning_widget import BaseAgent, ReasoningChat, current_run
class Sees(BaseAgent):
    name = "sees"
    takes_parts = True
    async def run_with_reasoning_stream(self, prompt, max_iterations=20):
        yield {"type": "final_answer", "content": repr([{key: value[:60] for key, value in p.items()} for p in prompt])}
chat = ReasoningChat(Sees())
"""


class Page:
    """A client of the kernel that keeps the messages it receives, like a notebook page."""

    def __init__(self, client):
        self.client = client
        self.messages = []
        self.subshell = None

    def run(self, code):
        return self.client.execute(code)

    def until(self, condition):
        """Receive messages until `condition(message)` is true, and return that message."""
        while True:
            message = self.client.get_iopub_msg(timeout=120)
            self.messages.append(message)
            if condition(message):
                return message

    def until_all(self, *conditions):
        """Receive messages until each condition was met."""
        missing = list(conditions)
        while missing:
            message = self.until(lambda m, missing=missing: any(met(m) for met in missing))
            missing = [met for met in missing if not met(message)]

    def done(self, request):
        self.until(lambda m: is_idle(m, request))

    def do(self, code):
        request = self.run(code)
        self.done(request)
        return request

    def outputs(self, request, kind):
        return [
            m["content"] for m in self.messages if m["msg_type"] == kind and m["parent_header"]["msg_id"] == request
        ]

    def printed(self, request):
        """Return the printed text of a cell. A line may arrive in pieces."""
        return "".join(output["text"] for output in self.outputs(request, "stream")).strip()

    def chat(self):
        """Return the comm id of the newest chat."""
        request = self.do("print(chat.model_id)")
        return self.printed(request)

    def batches(self, comm_id):
        contents = [m["content"] for m in self.messages if m["msg_type"] == "comm_msg"]
        return [
            c["data"]["content"] for c in contents if c["comm_id"] == comm_id and c["data"].get("method") == "custom"
        ]

    def open_subshell(self):
        """Send comm messages to their own subshell, as JupyterLab does."""
        request = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(request)
        self.subshell = self.client.get_control_msg(timeout=60)["content"]["subshell_id"]

    def send(self, comm_id, message, buffers=()):
        content = {"comm_id": comm_id, "data": {"method": "custom", "content": message}}
        request = self.client.session.msg("comm_msg", content)
        request["header"]["subshell_id"] = self.subshell
        socket = self.client.shell_channel.socket
        self.client.session.send(socket, request, buffers=list(buffers))


def is_idle(message, request):
    return (
        message["msg_type"] == "status"
        and message["content"]["execution_state"] == "idle"
        and message["parent_header"].get("msg_id") == request
    )


def custom(kind):
    """Return a condition that is true for a batch with a frame of this type."""

    def matches(message):
        if message["msg_type"] != "comm_msg":
            return False
        batch = message["content"]["data"].get("content") or {}
        return any(frame["type"] == kind for frame in batch.get("frames", []))

    return matches


def answering(message):
    """Return whether the message contains a part of the final answer."""
    batch = message["content"]["data"].get("content") if message["msg_type"] == "comm_msg" else None
    frames = batch["frames"] if batch else []
    return any(frame["data"].get("type") == "final_answer" for frame in frames)


def shown(message):
    """Return whether the message displays a view in the notebook."""
    return message["msg_type"] == "display_data"


def stopped_in_ask(page):
    """Ask in a cell, stop the run from the page while the cell is blocked, and return the request of the cell."""
    page.open_subshell()
    chat = page.chat()
    request = page.run('answer = chat.ask("wait"); print(answer.status)')
    page.until_all(answering, shown)
    page.send(chat, {"type": "stop", "id": "s1", "payload": {}})
    page.done(request)
    return request


@pytest.fixture
def page(kernel):
    page = Page(kernel[1])
    page.do(AGENT)
    yield page
    kernel[0].interrupt_kernel()  # a failed test may have left a waiting cell


def fold(batches):
    state = new_transcript()
    for batch in batches:
        for frame in batch["frames"]:
            receive(state, frame)
    return state


def test_the_cards_of_ask_arrive_and_the_answer_is_printed_readably(page):
    chat = page.chat()
    request = page.do('answer = chat.ask("go"); print(answer)')

    state = fold(page.batches(chat))
    assert [step["content"] for step in state["steps"].values()] == ["let me see", "once upon a time "]
    assert page.printed(request) == "once upon a time"


def test_the_snapshot_is_refreshed_before_ask_returns(page):
    request = stopped_in_ask(page)

    first = page.outputs(request, "display_data")[0]["data"]
    saved = page.outputs(request, "update_display_data")[-1]["data"]
    assert "stopped" not in first["text/html"]
    assert "once upon a time" in saved["text/html"]
    assert "once upon a time" in saved["text/markdown"]
    assert "The run ended: stopped." in saved["text/html"]
    assert saved["application/vnd.jupyter.widget-view+json"] == first["application/vnd.jupyter.widget-view+json"]


def test_a_displayed_chat_is_refreshed_by_the_cell_that_asks(page):
    shown = page.do("chat")
    asked = page.do('chat.ask("go");')

    display_id = page.outputs(shown, "display_data")[0]["transient"]["display_id"]
    updates = page.outputs(asked, "update_display_data")
    of_chat = [update["data"] for update in updates if update["transient"]["display_id"] == display_id]
    assert ["once upon a time" in data["text/html"] for data in of_chat] == [True]


def test_a_displayed_chat_is_refreshed_when_a_page_asks(page):
    shown = page.do("chat")
    chat = page.chat()
    page.send(chat, {"type": "chat", "payload": {"message": "go", "agent_name": "story"}})
    update = page.until(lambda m: m["msg_type"] == "update_display_data")["content"]

    assert update["transient"] == page.outputs(shown, "display_data")[0]["transient"]
    assert "once upon a time" in update["data"]["text/html"]


def test_stop_arrives_while_the_cell_is_blocked(page):
    request = stopped_in_ask(page)

    assert page.printed(request) == "stopped"


def test_a_message_sent_while_the_cell_is_blocked_queues(page):
    page.open_subshell()
    chat = page.chat()
    request = page.run('answer = chat.ask("wait")')
    page.until(answering)

    page.send(chat, {"type": "chat", "id": "m2", "payload": {"message": "later", "agent_name": "story"}})
    page.until(custom("ack"))
    page.send(chat, {"type": "withdraw", "id": "w", "payload": {"message_id": "m2"}})
    page.until(custom("message_withdrawn"))
    page.send(chat, {"type": "stop", "id": "s1", "payload": {}})
    page.done(request)

    assert [m["withdrawn"] for m in fold(page.batches(chat))["messages"]] == [None, "withdrawn"]


def test_interrupting_the_kernel_stops_the_run_and_finishes_its_log(kernel, page):
    request = page.run('chat.ask("wait")')
    page.until_all(answering, shown)

    kernel[0].interrupt_kernel()
    page.done(request)
    after = page.do("print(chat.runs[-1]['status'], [s['status'] for s in chat.steps])")

    assert page.outputs(request, "error")[0]["ename"] == "KeyboardInterrupt"
    assert page.printed(after) == "stopped ['done', 'stopped']"
    assert "once upon" in page.outputs(request, "update_display_data")[-1]["data"]["text/html"]


INTERRUPTED_WHILE_SHOWN = """
from unittest.mock import patch
from IPython.display import DisplayHandle
shown = DisplayHandle.display
def show_and_interrupt(self, *args, **options):
    shown(self, *args, **options)
    raise KeyboardInterrupt
with patch.object(DisplayHandle, "display", show_and_interrupt):
    ASK
"""


@pytest.mark.parametrize("ask", ['chat.ask("wait")', '[step async for step in chat.stream("wait")]'])
def test_an_interrupt_while_cards_are_shown_stops_the_run_and_saves_its_end(page, ask):
    request = page.do(INTERRUPTED_WHILE_SHOWN.replace("ASK", ask))

    assert page.outputs(request, "error")[0]["ename"] == "KeyboardInterrupt"
    first, *_, last = [
        output["data"]["text/plain"]
        for kind in ("display_data", "update_display_data")
        for output in page.outputs(request, kind)
    ]
    assert "The run was still on" in first
    assert "The run was still on" not in last


def test_interrupting_a_cell_that_streams_stops_the_run(kernel, page):
    request = page.run('async for step in chat.stream("wait"): print(step["content"])')
    page.until_all(lambda m: m["msg_type"] == "stream", shown, answering)

    kernel[0].interrupt_kernel()
    page.done(request)
    after = page.do("print(chat.runs[-1]['status'])")

    assert page.printed(request) == "let me see"
    assert page.printed(after) == "stopped"


def test_a_page_that_attaches_late_gets_everything(page):
    page.do('chat.ask("go");')
    chat = page.chat()
    live = fold(page.batches(chat))
    before = len(page.batches(chat))

    page.send(chat, {"type": "attach", "payload": {"epoch": None, "after": 0}})
    page.until(lambda m: custom("session")(m) and custom("run_finished")(m))

    again = page.batches(chat)[before:]
    assert fold(again) == live
    assert sum(len(batch["frames"]) for batch in again) == 1 + live["last_seq"] - 1  # each step once, and `session`


def test_a_long_value_is_sent_in_parts_that_fit_the_limit_of_jupyter_server(page):
    code = """
async def draws(prompt):
    yield {"type": "tool_result", "content": "", "tool": {"name": "t"}, "output": {"image/png": "QUJD" * 400_000}}
chat = ReasoningChat(draws)
print(chat.ask("go").steps[0]["outputs"][0]["image/png"]["blob"])
"""
    blob = page.printed(page.do(code))
    chat = page.chat()
    page.send(chat, {"type": "blob", "payload": {"blob": blob}})

    parts: dict[int, Any] = {}
    while not parts or len(parts) < parts[0]["part"]["count"]:
        page.until(custom("blob"))
        (frame,) = page.batches(chat)[-1]["frames"]
        assert len(json.dumps(frame)) < MAX_FRAME_BYTES
        parts[frame["data"]["part"]["index"]] = frame["data"]
    assert json.loads("".join(parts[index]["text"] for index in sorted(parts))) == "QUJD" * 400_000


def test_attachments_are_sent_as_bytes_beside_their_message(page):
    page.do(TAKES_PARTS)
    chat = page.chat()
    parts = [
        {"text": "Compare"},
        {"image": "data:image/png;base64,"},
        {"file": "data:text/csv;base64,", "name": "a.csv"},
    ]
    payload = {"message": parts, "agent_name": "sees"}
    page.send(chat, {"type": "chat", "id": "m1", "payload": payload}, [PNG, b"a,b"])
    page.until(custom("run_finished"))

    answer = page.printed(page.do("print(chat.steps[-1]['content'])"))
    assert "data:image/png;base64,iVBORw0K" in answer
    assert f"data:text/csv;base64,{base64.b64encode(b'a,b').decode()}" in answer


def test_an_attachment_whose_bytes_are_missing_is_refused(page):
    page.do(TAKES_PARTS)
    chat = page.chat()
    payload = {"message": [{"image": "data:image/png;base64,", "name": "plot.png"}], "agent_name": "sees"}
    page.send(chat, {"type": "chat", "id": "m2", "payload": payload})
    page.until(custom("error"))
    (frame,) = page.batches(chat)[-1]["frames"]
    assert (frame["data"]["id"], frame["data"]["code"]) == ("m2", "bad_attachment")
    assert "plot.png" in frame["data"]["message"]


def test_without_an_expected_page_the_live_view_is_added_when_one_attaches(page):
    page.done(page.client.execute("chat = ReasoningChat(story)", allow_stdin=False))
    request = page.client.execute("chat", allow_stdin=False)
    page.done(request)
    (shown,) = page.outputs(request, "display_data")
    chat = page.chat()

    page.send(chat, {"type": "attach", "payload": {"epoch": None, "after": 0}})
    update = page.until(lambda m: m["msg_type"] == "update_display_data")["content"]

    assert VIEW not in shown["data"]
    assert update["transient"] == shown["transient"]
    assert update["data"][VIEW]["model_id"] == update["data"][SESSION_MIME]["model_id"] == chat


def test_snapshots_are_sent_to_the_page_that_ran_the_cell_until_it_leaves(page):
    request = page.do("chat = ReasoningChat(story); chat")
    chat = page.chat()
    me = page.client.session.session
    (shown,) = page.outputs(request, "display_data")
    assert shown["data"][SESSION_MIME]["ran_by"] == me

    for name in ("another", me):
        page.send(chat, {"type": "attach", "payload": {"epoch": None, "after": 0, "page": name}})
        page.until(custom("pages"))
    pages = {"pages": ["another", me], "answer": False}
    assert {"type": "pages", "data": pages} in page.batches(chat)[-1]["frames"]

    page.send(chat, {"type": "save", "id": "s1", "payload": {"message_id": None, "page": "another", "ran_by": me}})
    page.until(custom("pages"))
    assert {"type": "pages", "data": {**pages, "answer": True}} in page.batches(chat)[-1]["frames"]
    page.send(chat, {"type": "leave", "payload": {"page": me}})
    page.until(custom("saved"))
    (frame,) = page.batches(chat)[-1]["frames"]
    assert frame["data"]["page"] == "another"
    assert frame["data"]["bundle"][SESSION_MIME]["events"] == []


def test_the_core_is_sent_once_and_again_on_request(page):
    made = page.do("first, chat = ReasoningChat(story), ReasoningChat(story)")
    of_made = [m for m in page.messages if m["parent_header"]["msg_id"] == made and m["msg_type"] == "comm_open"]
    chat = page.chat()
    page.send(chat, {"type": "core", "payload": {}})
    page.until(lambda m: m["msg_type"] == "comm_msg" and m["content"]["data"].get("content", {}).get("type") == "core")

    (told,) = [batch for batch in page.batches(chat) if batch.get("type") == "core"]
    assert told["data"] == core_source()
    states = [m["content"]["data"]["state"] for m in of_made]
    cores = {state["_core"] for state in states if "_core" in state}
    assert len(cores) == 1  # opened with the first chat of the kernel
    assert sum(len(json.dumps(state)) for state in states) < 2 * 3_000


def test_invalid_messages_from_a_page_get_an_error_and_do_no_harm(page):
    chat = page.chat()
    for message in ("text", {"type": "attach", "payload": {}}, {"type": "blob", "payload": {"blob": "nothing"}}):
        page.send(chat, message)
        page.until(custom("error"))

    request = page.do('print(chat.ask("go").status)')
    assert page.printed(request) == "completed"


def test_modules_are_sent_when_the_text_first_needs_them(page):
    code = "async def code(p):\n    yield {'type': 'final_answer', 'content': '```python\\nx\\n``` and $x^2$'}\n"
    page.do(code + "chat = ReasoningChat(code)\nfor _ in range(2): chat.ask('go')")

    chat = page.chat()
    frames = [frame for batch in page.batches(chat) for frame in batch["frames"]]
    assert sorted(f["data"]["name"] for f in frames if f["type"] == "module") == ["highlight", "math"]


def test_outputs_displayed_by_a_tool_belong_to_its_step(page):
    code = """
from IPython.display import HTML, display
from reasoning_widget import BlockingAgent, current_run
class Shows(BlockingAgent):
    name = "shows"
    def run_blocking(self, prompt, max_iterations, emit):
        step = {"type": "tool_result", "id": "r", "content": "", "tool": {"name": "t"}, "status": "streaming"}
        with current_run().capturing(lambda outputs: emit({**step, "outputs": outputs})):
            display(HTML("<b>bold</b>")); print("printed")
            current_run().keep({"kept": 1})
chat = ReasoningChat(Shows())
answer = chat.ask("go")
"""
    request = page.do(
        code + "import json; print(json.dumps([answer.steps[0]['outputs'], list(chat.results.values())]))"
    )

    outputs, results = json.loads(page.printed(request))
    assert outputs == [{"text/html": "<b>bold</b>"}, {"text/plain": "printed\n"}]
    assert results == [{"kept": 1}]


def test_no_error_or_input_request_is_left(page):
    """No test above caused an error in the kernel's own streams."""
    page.do("1")
    assert [m["content"] for m in page.messages if m["msg_type"] == "error"] == []
    with pytest.raises(Empty):
        page.client.get_stdin_msg(timeout=0)


def test_outputs_displayed_and_returned_by_a_tool_are_in_its_step(page, scripted_model):
    scripted_model.script("show", [[call("show", {})], "Shown."])
    code = f"""
import base64, json
import pandas as pd
from IPython.display import Image, display
from reasoning_widget.agents.qwen import import_qwen_agent
import_qwen_agent()
from qwen_agent.agents import Assistant
from qwen_agent.tools.base import BaseTool
class Show(BaseTool):
    name, description, parameters = "show", "Shows.", []
    def call(self, params, **kwargs):
        for number in range(2):
            display(Image(data={PNG!r} + bytes([number]), format="png"))
        return pd.DataFrame({{"a": [1, 2]}})
chat = ReasoningChat(Assistant(llm={scripted_model.llm()!r}, function_list=[Show()]))
result = chat.ask("show").steps[1]
print(json.dumps([result["content"], result["outputs"], type(chat.results[result["id"]]).__name__]))
"""
    content, (*pictures, table), kept = json.loads(page.printed(page.do(code)))

    assert content.startswith("DataFrame with 2 rows and 1 columns:")
    assert kept == "DataFrame"
    assert "<table" in table["text/html"]
    assert [base64.b64decode(picture["image/png"])[-1] for picture in pictures] == [0, 1]
