"""A kernel that is shut down properly leaves the current transcript in the notebook."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from jupyter_client.manager import KernelManager

from reasoning_widget import ReasoningChat
from tests.server.client import new_session
from tests.widget.test_kernel import AGENT, Page


@contextlib.contextmanager
def kernel(name: str) -> Iterator[tuple[KernelManager, Page]]:
    """Within the block, a kernel that the test shuts down, and a page that is connected to it."""
    manager = KernelManager(kernel_name=name)
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield manager, Page(client)
    finally:
        client.stop_channels()
        manager.finish_shutdown()
        manager.cleanup_resources()


def test_the_snapshot_is_refreshed_when_the_kernel_shuts_down(kernel_name):
    with kernel(kernel_name) as (manager, page):
        page.do(AGENT)
        page.open_subshell()
        shown = page.outputs(page.do("chat"), "display_data")[0]
        page.send(page.chat(), {"type": "chat", "payload": {"message": "wait", "agent_name": "story"}})
        page.until(lambda m: "time" in str(m["content"].get("data", {}).get("content")))

        manager.request_shutdown()
        update = page.until(lambda m: m["msg_type"] == "update_display_data")["content"]

    assert update["transient"] == shown["transient"]
    assert "once upon a time" in update["data"]["text/html"]
    assert "The run ended: interrupted." in update["data"]["text/html"]


def test_the_snapshot_of_a_session_on_a_server_is_refreshed_and_its_run_continues(server, kernel_name, tmp_path):
    session_id, end = new_session(), tmp_path / "end"
    way = {"server": server.origin, "session_id": session_id, "token": server.token}

    def said() -> str:
        return str(server.fetch("GET", f"reasoning-widget/api/sessions/{session_id}/export"))

    with kernel(kernel_name) as (manager, page), ThreadPoolExecutor() as pool:
        page.do(f"from reasoning_widget import ReasoningChat\nchat = ReasoningChat(**{way})")
        page.do("chat")
        asking = pool.submit(ReasoningChat(**way).ask, str(end), agent="talk")
        try:
            page.until(lambda m: m["msg_type"] == "update_display_data")  # the run has begun
            later = f"word{said().count('word') + 1}"
            while later not in said():
                time.sleep(0.01)

            manager.request_shutdown()
            update = page.until(lambda m: later in str(m["content"].get("data", {}).get("text/html")))
            assert update["msg_type"] == "update_display_data"
            assert "run_finished" not in said()
        finally:
            end.touch()
        assert asking.result().status == "completed"
