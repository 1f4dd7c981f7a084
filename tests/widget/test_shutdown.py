"""A kernel that is shut down in order leaves what was seen in the notebook."""

from jupyter_client.manager import KernelManager

from tests.widget.test_kernel import AGENT, Page


def test_what_is_saved_is_refreshed_when_the_kernel_shuts_down():
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        page = Page(client)
        page.do(AGENT)
        page.open_subshell()
        shown = page.outputs(page.do("chat"), "display_data")[0]
        page.send(page.chat(), {"type": "chat", "payload": {"message": "wait", "agent_name": "story"}})
        page.until(lambda m: "time" in str(m["content"].get("data", {}).get("content")))

        manager.request_shutdown()
        update = page.until(lambda m: m["msg_type"] == "update_display_data")["content"]
    finally:
        client.stop_channels()
        manager.finish_shutdown()
        manager.cleanup_resources()

    assert update["transient"] == shown["transient"]
    assert "once upon a time" in update["data"]["text/html"]
    assert "The run ended: interrupted." in update["data"]["text/html"]
