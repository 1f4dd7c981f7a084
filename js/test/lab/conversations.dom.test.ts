// Which sessions a page follows, and until when.

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

/** A session without prompts, shown in a view. */
async function opened(id = "s"): Promise<Conversation> {
  const conversation = conversations.acquire(id);
  await settled();
  FakeSocket.last.hear(SESSION);
  return conversation;
}

const startRun = (): void => {
  for (const frame of [asked(1, "m", "Why?"), started(2, "r", "m"), step(3, "t", {})]) FakeSocket.last.hear(frame);
};

it("a session deleted during a run is neither running nor followed", async () => {
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

it("a run without a view is followed until it has ended", async () => {
  await opened();
  startRun();
  conversations.release("s");
  expect(conversations.get("s")).toBeDefined();
  FakeSocket.last.hear(finished(4));
  await settled();
  expect(ends).toEqual(["completed"]);
  expect(conversations.get("s")).toBeUndefined();
});

it("a prompt that waits for the connection is sent without a view of its session", async () => {
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

it("a queued prompt keeps its session followed until its run has ended", async () => {
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

it("a draft in a new session is shown again instead of another new session", async () => {
  const { store } = await opened();
  expect(conversations.begun).toBeUndefined();
  store.composer.write("How do");
  conversations.release("s");
  expect(conversations.begun?.store.reader.draft).toBe("How do");
  store.composer.write("");
});

it("a new session without a draft is not kept", async () => {
  await opened();
  conversations.release("s");
  expect(conversations.get("s")).toBeUndefined();
});

it("a run that was active before a reload is followed until it has ended", async () => {
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

it("a run that ended during a reload is not followed", async () => {
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

/** Ask about the cell. Returns the id and the text that were sent. */
function askAbout(conversation: Conversation): { id: string; message: string } {
  conversation.attach(CELL);
  conversation.store.composer.send("Why?");
  const sent = FakeSocket.last.sent.find(({ type }) => type === "chat");
  return { id: sent?.id ?? "", message: (sent?.payload as { message: string } | undefined)?.message ?? "" };
}

it("an attached cell is notified once of the first step of the run", async () => {
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

it("a refused prompt returns with its attached cell", async () => {
  const conversation = await opened();
  const { id } = askAbout(conversation);
  expect(conversation.attachments).toEqual([]);
  FakeSocket.last.hear({ type: "error", data: { code: "unknown_agent", message: "No such agent.", id } });
  expect(conversation.store.reader.draft).toBe("Why?");
  expect(conversation.attachments).toEqual([CELL]);
  conversation.store.composer.write("");
});

it("a prompt edited in another page returns with its cell as it was sent", async () => {
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

it("a prompt about a cell is recalled without the text of the cell", async () => {
  const conversation = await opened();
  const { message } = askAbout(conversation);
  expect(message).toContain("1 / 0");
  expect(conversation.store.composer.ownWords(message)).toBe("Why?");
  expect(conversation.attachments).toEqual([]);
});
