// What a page says to the server when it connects, and what becomes of it when it may not.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Store } from "../../src/store.ts";
import { type Access, connect, Refused } from "../../src/transport/socket.ts";
import { SESSION } from "../page.ts";

class FakeSocket {
  static opened: FakeSocket[] = [];
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly sent: string[] = [];
  closed = false;

  constructor(
    readonly url: URL,
    readonly protocols: string[],
  ) {
    FakeSocket.opened.push(this);
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.closed = true;
    this.onclose?.({ code: 1005, reason: "" });
  }

  hear(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

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
const socket = (): FakeSocket => {
  const last = FakeSocket.opened.at(-1);
  if (!last) throw new Error("nothing was opened");
  return last;
};
const lose = async (): Promise<void> => {
  socket().onclose?.({ code: 1006, reason: "" });
  await vi.advanceTimersByTimeAsync(2000);
};

it("offers a ticket as a subprotocol, which is in no address", async () => {
  await enter(() => ({ ticket: "a.b.c" }));
  expect(socket().url.href).toBe("ws://host:8888/ws/chat/s?stream=tokens&after=0");
  expect(socket().protocols).toEqual(["reasoning-widget.v1", "ticket.a.b.c"]);
});

it("puts Jupyter's token where Jupyter looks for it", async () => {
  await enter(() => ({ token: "secret" }));
  expect(socket().url.searchParams.get("token")).toBe("secret");
  expect(socket().protocols).toEqual(["reasoning-widget.v1"]);
});

it("resumes where it was", async () => {
  await enter(() => ({}));
  socket().hear(SESSION);
  expect(store.connection).toEqual({ state: "open" });
  socket().hear({ type: "session_info", seq: 3, data: { title: "A title" } });
  await lose();
  expect(socket().url.search).toBe("?stream=tokens&after=3&epoch=e");
});

it("asks for another ticket only where the one it has is near its end, or was refused", async () => {
  const asked: boolean[] = [];
  await enter((fresh) => {
    asked.push(fresh);
    return { ticket: `t${asked.length}.b.c`, expiresIn: 70 };
  });
  socket().hear(SESSION);
  await lose();
  expect(asked).toEqual([false]);
  socket().hear(SESSION);
  await vi.advanceTimersByTimeAsync(10_000);
  await lose();
  expect(asked).toEqual([false, false]);
  expect(socket().protocols[1]).toBe("ticket.t2.b.c");
  socket().hear(SESSION);
  socket().onclose?.({ code: 4401, reason: "the ticket has ended" });
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual([false, false, true]);
});

it("rests with the words of whoever knows that there is no way in", async () => {
  await enter(() => Promise.reject(new Refused("The token is wrong.")));
  expect(store.connection).toEqual({ state: "resting", reason: "The token is wrong." });
  expect(FakeSocket.opened).toEqual([]);
});

it("tries again where only the way is broken", async () => {
  await enter(() => Promise.reject(new Error("Nobody answers.")));
  expect(store.connection).toEqual({ state: "waiting", seconds: 2, reason: "Nobody answers." });
});

it("hears nothing more of a connection that was left", async () => {
  await enter(() => ({}));
  const left = socket();
  left.hear(SESSION);
  store.disconnect();
  left.hear({ type: "session_info", seq: 1, data: { title: "Late" } });
  expect(left.closed).toBe(true);
  expect(store.connection).toEqual({ state: "closed" });
  expect(store.transcript.title).toBeNull();
});

it("keeps messages while it is away, gives one that is too long back, and sends no stop then", async () => {
  await enter(() => ({}));
  socket().hear(SESSION);
  store.disconnect();
  store.ask("one");
  store.stop("r");
  expect([store.waitingMessages, store.stopping("r")]).toEqual([1, false]);
  const long = "x".repeat(1024 * 1024);
  store.ask(long);
  expect([store.waitingMessages, store.draft === long, store.refusals.length]).toEqual([1, true, 1]);
  store.connect();
  await vi.advanceTimersByTimeAsync(0);
  socket().hear(SESSION);
  expect(store.waitingMessages).toBe(0);
  expect(socket().sent.map((text) => JSON.parse(text).payload.message)).toEqual(["one"]);
});
