// Which sessions a page follows, and for how long.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Attachment } from "../../src/lab/sidebar/attachments.ts";
import { type Conversation, Conversations } from "../../src/lab/sidebar/conversations.ts";
import { FakeSocket } from "../fake-socket.ts";
import { asked, finished, SESSION, started, step } from "../page.ts";

let conversations: Conversations;
let ends: string[];

beforeEach(() => {
  vi.stubGlobal("WebSocket", FakeSocket);
  FakeSocket.opened = [];
  ends = [];
  conversations = new Conversations(
    (id) => ({ url: `ws://host/ws/chat/${id}`, access: () => ({}) }),
    () => ({ agent: "", reasoning: true }),
  );
  conversations.finished.connect((_, { status }) => ends.push(status));
});
afterEach(() => vi.unstubAllGlobals());

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** A session that a view shows; nothing was asked in it. */
async function opened(id = "s"): Promise<Conversation> {
  const conversation = conversations.acquire(id);
  await settled();
  FakeSocket.last.hear(SESSION);
  return conversation;
}

const startRun = (): void => {
  for (const frame of [asked(1, "m", "Why?"), started(2, "r", "m"), step(3, "t", {})]) FakeSocket.last.hear(frame);
};

it("a session that was deleted in the middle of a run is at work no longer, and followed no longer", async () => {
  const { store, progress } = await opened();
  expect(progress.agent).toBeNull();
  startRun();
  expect(conversations.running).toHaveLength(1);
  FakeSocket.last.lose(4410);
  expect(conversations.running).toEqual([]);
  expect(store.running()).toBe(false);
  expect(ends).toEqual(["deleted"]);
  conversations.release("s");
  expect(conversations.get("s")).toBeUndefined();
});

it("a run goes on being followed when nobody sees it, and no longer once it has ended", async () => {
  await opened();
  startRun();
  conversations.release("s");
  expect(conversations.get("s")).toBeDefined();
  FakeSocket.last.hear(finished(4));
  await settled();
  expect(ends).toEqual(["completed"]);
  expect(conversations.get("s")).toBeUndefined();
});

it("a question that waits for the connection is sent, though nobody sees its session meanwhile", async () => {
  const { store } = await opened();
  store.disconnect();
  store.composer.send("Why?");
  conversations.release("s");
  expect(conversations.get("s")?.store.composer.unsent).toHaveLength(1);
  store.connect();
  await settled();
  FakeSocket.last.hear(SESSION);
  expect(FakeSocket.last.sent.map(({ type }) => type)).toContain("chat");
});

it("a question that waits for its turn keeps its session followed until it was answered", async () => {
  await opened();
  FakeSocket.last.hear(asked(1, "m", "Why?"));
  conversations.release("s");
  expect(conversations.get("s")).toBeDefined();
  FakeSocket.last.hear(started(2, "r", "m"));
  FakeSocket.last.hear(finished(3));
  await settled();
  expect(ends).toEqual(["completed"]);
  expect(conversations.get("s")).toBeUndefined();
});

it("what was begun in a new session is there when another new one is wanted", async () => {
  const { store } = await opened();
  expect(conversations.begun).toBeUndefined();
  store.composer.write("How do");
  conversations.release("s");
  expect(conversations.begun?.store.reader.draft).toBe("How do");
  store.composer.write("");
});

it("a new session in which nothing was begun is forgotten", async () => {
  await opened();
  conversations.release("s");
  expect(conversations.get("s")).toBeUndefined();
});

it("an agent that was at work when the page was left is followed until it has finished", async () => {
  conversations.follow("s");
  await settled();
  FakeSocket.last.hear({
    ...SESSION,
    data: { ...(SESSION.data as object), run: started(1, "r", "m").data },
  });
  await settled();
  expect(conversations.running).toHaveLength(1);
  FakeSocket.last.hear(finished(1));
  await settled();
  expect(ends).toEqual(["completed"]);
  expect(conversations.get("s")).toBeUndefined();
});

it("one that has finished meanwhile is not followed", async () => {
  conversations.follow("s");
  await settled();
  FakeSocket.last.hear(SESSION);
  await settled();
  expect(conversations.get("s")).toBeUndefined();
});

const CELL: Attachment = {
  file: "energy.ipynb",
  number: "3",
  language: "python",
  source: "1 / 0",
  output: "",
  place: { notebook: { path: "energy.ipynb" }, cell: "c1" },
};

/** Ask about the cell; the id and the text that were sent. */
function askAbout(conversation: Conversation): { id: string; message: string } {
  conversation.attach(CELL);
  conversation.store.composer.send("Why?");
  const sent = FakeSocket.last.sent.find(({ type }) => type === "chat");
  return { id: sent?.id ?? "", message: (sent?.payload as { message: string } | undefined)?.message ?? "" };
}

it("a cell that was asked about is told the first step that the question led to, once", async () => {
  const conversation = await opened();
  const told: object[] = [];
  conversation.answered.connect((_, answer) => told.push(answer));
  const { id, message } = askAbout(conversation);
  FakeSocket.last.hear(asked(1, id, message));
  FakeSocket.last.hear(started(2, "r", id));
  expect(told).toEqual([]);
  FakeSocket.last.hear(step(3, "t", {}));
  FakeSocket.last.hear(step(4, "u", {}));
  expect(told).toEqual([{ cells: [CELL], step: "t" }]);
});

it("a question about a cell that is refused comes back with the cell beside it", async () => {
  const conversation = await opened();
  const { id } = askAbout(conversation);
  expect(conversation.attachments).toEqual([]);
  FakeSocket.last.hear({ type: "error", data: { code: "unknown_agent", message: "No such agent.", id } });
  expect(conversation.store.reader.draft).toBe("Why?");
  expect(conversation.attachments).toEqual([CELL]);
  conversation.store.composer.write("");
});

it("a question about a cell that is edited in another page comes back with the cell as it was sent", async () => {
  const asking = await opened();
  const { message } = askAbout(asking);
  const editing = await opened("s2");
  FakeSocket.last.hear(asked(1, "m", message));
  editing.store.composer.withdraw("m", true);
  FakeSocket.last.hear({ type: "message_withdrawn", seq: 2, data: { message_id: "m", reason: "withdrawn" } });
  expect(editing.store.reader.draft).toBe("Why?");
  const { place, ...cell } = CELL;
  expect(editing.attachments).toEqual([cell]);
  editing.store.composer.write("");
});

it("a question about a cell is recalled in the person's own words", async () => {
  const conversation = await opened();
  const { message } = askAbout(conversation);
  expect(message).toContain("1 / 0");
  expect(conversation.store.composer.ownWords(message)).toBe("Why?");
  expect(conversation.attachments).toEqual([]);
});
