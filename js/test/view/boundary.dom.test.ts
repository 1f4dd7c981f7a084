import { expect, it, vi } from "vitest";
import { Store } from "../../src/store/store.ts";
import { drawChat } from "../../src/view/chat.tsx";
import "../page.ts";

it("shows a note in place of a chat that cannot be drawn, also later", async () => {
  const store = new Store(true);
  const [element, failed] = [document.createElement("div"), vi.fn()];
  drawChat(element, store, null, failed);
  expect(element.querySelector("section")).not.toBeNull();

  store.fold({ type: "user_message", seq: 1, data: { id: "m", content: "?", timestamp: 0, follows: null } });
  store.fold({ type: "run_started", seq: 2, data: { run_id: "r", message_id: "m", agent_name: "a", timestamp: 0 } });
  store.run = () => {
    throw new Error("nothing fits");
  };
  store.notice({ type: "pong", data: { last_seq: 2, time: 0 } });
  store.settled();

  await vi.waitFor(() => expect(element.querySelector("[role=alert]")?.textContent).toContain("nothing fits"));
  expect(failed).toHaveBeenCalledOnce();
  expect(element.querySelector("section")).toBeNull();
});
