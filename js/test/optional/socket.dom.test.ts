// A widget whose session is on a server.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { optionalModule, provideModule } from "../../src/modules.ts";
import * as socketModule from "../../src/optional/socket.ts";
import { connectedChats } from "../../src/store/chats.ts";
import type { Store } from "../../src/store/store.ts";
import { FakeSocket } from "../fake-socket.ts";
import { asked, finished, Page, SESSION, started, step } from "../page.ts";

const SERVER = { type: "server", data: { url: "ws://host:8888/ws/chat/s" } };
const TICKET = { type: "ticket", data: { ticket: "a.b.c", expires_in: 3600 } };

let page: Page;

beforeEach(() => {
  vi.stubGlobal("WebSocket", FakeSocket);
  FakeSocket.opened = [];
  provideModule("socket", socketModule);
  page = new Page();
});
afterEach(() => {
  page.close();
  vi.unstubAllGlobals();
});

const line = (): string => page.element.querySelector(".rw-connection")?.textContent?.replace(/\s+/g, " ") ?? "";
const hear = async (...frames: unknown[]): Promise<void> => {
  for (const frame of frames) FakeSocket.last.hear(frame);
  await page.drawn();
};
const enter = async (): Promise<void> => {
  await page.told(SERVER);
  await page.told(TICKET);
  await hear(SESSION);
};

describe("the connection to the server", () => {
  it("is reported as lost in the run's card, in place of a working agent", async () => {
    const footer = (): string => page.element.querySelector(".rw-run-footer")?.textContent ?? "";
    await enter();
    await hear(asked(1, "m", "Why?"), started(2, "r", "m"), step(3, "t", { content: "Hm", status: "streaming" }));
    expect(footer()).toContain("Working");
    FakeSocket.last.lose();
    await page.drawn();
    expect(footer()).not.toContain("Working");
    expect(footer()).toMatch(/No connection since .*\d.* its steps appear after reconnecting/);
  });

  it("is shown only if there is one", async () => {
    await page.hear(SESSION);
    expect(page.element.querySelector(".rw-connection")).toBeNull();
  });

  it("uses the kernel's address and a ticket that the page requests", async () => {
    await page.told(SERVER);
    expect(line()).toContain("Connecting");
    expect(page.last("ticket")?.payload).toEqual({ fresh: false });
    expect(FakeSocket.opened).toEqual([]);
    await page.told(TICKET);
    expect(FakeSocket.last.url.origin).toBe("ws://host:8888");
    expect(FakeSocket.last.protocols).toContain("ticket.a.b.c");
    await hear(SESSION);
    expect(line()).toContain("Connected");
  });

  it("shows the same cards as a session in the kernel", async () => {
    await enter();
    await hear(
      asked(1, "m", "Why?"),
      started(2, "r", "m"),
      step(3, "t", { content: "Hm." }),
      step(4, "a", { type: "final_answer", content: "So." }),
      finished(5),
    );
    expect(page.card("Final answer, step 2").textContent).toContain("So.");
  });

  it("is not used to save the notebook: the kernel is asked", async () => {
    await enter();
    const store = connectedChats().get("s") as Store;
    const said = FakeSocket.last.sent.length;
    store.save("m");
    expect(FakeSocket.last.sent).toHaveLength(said);
    expect(page.last("save")?.payload).toEqual({ message_id: "m" });
    const kept = vi.fn();
    store.on("bundles", kept);
    await page.told({ type: "saved", data: { message_id: "m", bundle: { "text/plain": "so far" } } });
    expect(kept).toHaveBeenCalledOnce();
    expect(store.bundles.get("m")).toEqual({ "text/plain": "so far" });
  });

  it("leaves it to the kernel which page writes the notebook", async () => {
    await enter();
    const store = connectedChats().get("s") as Store;
    store.enter("a");
    await page.told({ type: "pages", data: { pages: ["a", "b"], answer: true } });
    const entered = page.sent.filter(({ type }) => type === "attach").map(({ payload }) => payload);
    expect(entered.slice(-2)).toEqual(Array(2).fill({ epoch: null, after: 0, page: "a" }));
    expect(store.pages).toEqual(["a", "b"]);
    store.leave();
    expect(page.last("leave")?.payload).toEqual({ page: "a" });
  });

  it("is given up with the kernel's reason if it has no ticket", async () => {
    await page.told(SERVER);
    await page.told({ type: "no_ticket", data: { reason: "The server refuses the token.", final: true } });
    expect(line()).toContain("Not connected. The server refuses the token.");
    expect(FakeSocket.opened).toEqual([]);
    page.button("Connect").click();
    await page.drawn();
    expect(page.last("ticket")?.payload).toEqual({ fresh: true });
  });

  it("is tried again if the kernel could not reach the server", async () => {
    await page.told(SERVER);
    await page.told({ type: "no_ticket", data: { reason: "Nothing answers there.", final: false } });
    expect(line()).toContain("Connection lost. Nothing answers there.");
    expect(line()).toContain("Next try in 2 s");
  });

  it("stays open without the kernel, and is restored until the ticket expires", async () => {
    await enter();
    await page.lose();
    expect(line()).toContain("Connected");
    page.button("Disconnect").click();
    await page.drawn();
    page.button("Connect").click();
    await page.drawn();
    expect(FakeSocket.opened).toHaveLength(2);
    expect(FakeSocket.last.protocols).toContain("ticket.a.b.c");
  });

  it("is given up if the kernel ended before it sent a ticket", async () => {
    await page.told(SERVER);
    await page.lose();
    expect(line()).toContain("The kernel is gone");
  });

  it("handles a repeated `server` frame", async () => {
    await enter();
    await page.told(SERVER);
    expect(FakeSocket.opened).toHaveLength(1);
    expect(line()).toContain("Connected");
  });
});

describe("the person", () => {
  it("sees messages wait for the connection, and each is sent once", async () => {
    await enter();
    FakeSocket.last.lose();
    await page.write("first");
    await page.press("Enter");
    await page.write("second");
    await page.press("Enter");
    expect(line()).toContain("2 messages wait");
    page.button("Connect").click();
    await page.drawn();
    await hear(SESSION);
    expect(line()).not.toContain("wait");
    expect(FakeSocket.last.sent.map(({ type }) => type)).toEqual(["chat", "chat"]);
  });

  it("disconnects and reconnects", async () => {
    await enter();
    page.button("Disconnect").click();
    await page.drawn();
    expect(line()).toContain("Disconnected");
    await page.write("Later");
    await page.press("Enter");
    expect(line()).toContain("1 message waits");
    page.button("Connect").click();
    await page.drawn();
    expect(FakeSocket.opened).toHaveLength(2);
    await hear(SESSION);
    expect(FakeSocket.last.sent.map(({ type }) => type)).toEqual(["chat"]);
  });

  it("cannot stop a run without a connection", async () => {
    await enter();
    await hear(asked(1, "m", "Why?"), started(2, "r", "m"));
    expect(page.button("Stop").getAttribute("aria-disabled")).toBeNull();
    page.button("Disconnect").click();
    await page.drawn();
    expect(page.button("Stop").getAttribute("aria-disabled")).toBe("true");
  });

  it("cannot write to a deleted session", async () => {
    await enter();
    FakeSocket.last.lose(4410);
    await page.write("Hello?");
    expect(line()).toContain("The session was deleted.");
    expect(page.element.querySelector(".rw-connection button")).toBeNull();
    expect(page.button("Send").getAttribute("aria-disabled")).toBe("true");
  });
});

it("requests the module for formulas from the kernel once", async () => {
  await enter();
  expect([optionalModule("math"), optionalModule("math")]).toEqual([undefined, undefined]);
  expect(page.sent.filter(({ type }) => (type as string) === "module")).toEqual([
    { type: "module", payload: { name: "math" } },
  ]);
});
