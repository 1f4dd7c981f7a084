// How a page connects to the server, and how it reacts to a refusal.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Store } from "../../src/store/store.ts";
import { type Access, connect, Refused } from "../../src/transport/socket.ts";
import { FakeSocket } from "../fake-socket.ts";
import { SESSION } from "../page.ts";

let store: Store;
let end: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  FakeSocket.opened = [];
  store = new Store();
});
afterEach(() => {
  end();
  store.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const enter = async (access: (fresh: boolean) => Access | Promise<Access>): Promise<void> => {
  end = connect({ url: "ws://host:8888/ws/chat/s", access }, store);
  await vi.advanceTimersByTimeAsync(0);
};
const lose = async (): Promise<void> => {
  FakeSocket.last.lose();
  await vi.advanceTimersByTimeAsync(2000);
};

it("sends a ticket as a subprotocol, not in the address", async () => {
  await enter(() => ({ ticket: "a.b.c" }));
  expect(FakeSocket.last.url.href).toBe("ws://host:8888/ws/chat/s?stream=tokens&protocol=2&after=0");
  expect(FakeSocket.last.protocols).toEqual(["reasoning-widget.v1", "ticket.a.b.c"]);
});

it("sends Jupyter's token as Jupyter expects it", async () => {
  await enter(() => ({ token: "secret" }));
  expect(FakeSocket.last.url.searchParams.get("token")).toBe("secret");
  expect(FakeSocket.last.protocols).toEqual(["reasoning-widget.v1"]);
});

it("resumes after the last event", async () => {
  await enter(() => ({}));
  FakeSocket.last.hear(SESSION);
  expect(store.connection).toEqual({ state: "open" });
  FakeSocket.last.hear({ type: "session_info", seq: 3, data: { title: "A title" } });
  await lose();
  expect(FakeSocket.last.url.search).toBe("?stream=tokens&protocol=2&after=3&epoch=e");
});

it("requests another ticket only if its own expires soon or was refused", async () => {
  const asked: boolean[] = [];
  await enter((fresh) => {
    asked.push(fresh);
    return { ticket: `t${asked.length}.b.c`, expiresIn: 70 };
  });
  FakeSocket.last.hear(SESSION);
  await lose();
  expect(asked).toEqual([false]);
  FakeSocket.last.hear(SESSION);
  await vi.advanceTimersByTimeAsync(10_000);
  await lose();
  expect(asked).toEqual([false, false]);
  expect(FakeSocket.last.protocols[1]).toBe("ticket.t2.b.c");
  FakeSocket.last.hear(SESSION);
  FakeSocket.last.lose(4401, "the ticket has ended");
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual([false, false, true]);
});

it("stops with the reason if access is refused", async () => {
  await enter(() => Promise.reject(new Refused("The token is wrong.")));
  expect(store.connection).toEqual({ state: "resting", reason: "The token is wrong." });
  expect(FakeSocket.opened).toEqual([]);
});

it("tries again if access could not be checked", async () => {
  await enter(() => Promise.reject(new Error("Nobody answers.")));
  expect(store.connection).toEqual({ state: "waiting", seconds: 2, reason: "Nobody answers." });
});

it("ignores an abandoned connection", async () => {
  await enter(() => ({}));
  const left = FakeSocket.last;
  left.hear(SESSION);
  store.disconnect();
  left.hear({ type: "session_info", seq: 1, data: { title: "Late" } });
  expect(left.closed).toBe(true);
  expect(store.connection).toEqual({ state: "closed" });
  expect(store.transcript.title).toBeNull();
});

it("keeps messages while disconnected, refuses one that is too long, and sends no stop", async () => {
  await enter(() => ({}));
  FakeSocket.last.hear(SESSION);
  store.disconnect();
  store.composer.send("one");
  store.stop("r");
  expect([store.waitingMessages, store.stopping("r")]).toEqual([1, false]);
  const long = "x".repeat(1024 * 1024);
  store.composer.send(long);
  expect([store.waitingMessages, store.reader.draft === long, store.refusals.length]).toEqual([1, true, 1]);
  store.connect();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.hear(SESSION);
  expect(store.waitingMessages).toBe(0);
  expect(FakeSocket.last.sent.map(({ payload }) => payload)).toMatchObject([{ message: "one" }]);
});
