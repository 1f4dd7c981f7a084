import { render } from "preact";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Frame } from "../../src/protocol/frames.ts";
import { readSession, type SavedSession, savedStore } from "../../src/store/snapshot.ts";
import { drawSaved } from "../../src/view/saved.tsx";
import { Page, SESSION } from "../page.ts";

const ADA = { id: "ada", name: "Ada Lovelace", initials: "AL" };
const BOB = { id: "bob", name: "<b>Bob</b>", initials: "B" };
let page: Page;

beforeEach(async () => {
  page = new Page();
  await page.hear(SESSION);
});
afterEach(() => page.close());

function asked(seq: number, id: string, author?: unknown): Frame[] {
  const run = { run_id: `r-${id}`, message_id: id, agent_name: "researcher", enable_reasoning: true, timestamp: 1 };
  const message = { id, content: `Question ${id}`, timestamp: 1, follows: null, ...(author ? { author } : {}) };
  return [
    { type: "user_message", seq, data: message },
    { type: "run_started", seq: seq + 1, data: run },
    { type: "run_finished", seq: seq + 2, data: { run_id: run.run_id, status: "completed", usage: {}, duration: 1 } },
  ];
}

const authors = (root: ParentNode): (string | null)[] =>
  [...root.querySelectorAll(".rw-question")].map((each) => each.querySelector(".rw-author")?.textContent ?? null);
const labels = (root: ParentNode): (string | null)[] =>
  [...root.querySelectorAll(".rw-question")].map((each) => each.getAttribute("aria-label"));

it("shows no names in a conversation with one author", async () => {
  await page.hear(...asked(1, "a", ADA), ...asked(4, "b", ADA));
  expect(authors(page.element)).toEqual([null, null]);
  expect(labels(page.element)).toEqual(["You", "You"]);
});

it("shows the name of an author who is not the reader", async () => {
  await page.hear({ type: "session", data: { ...SESSION.data, author: BOB } } as Frame);
  await page.hear(...asked(1, "a", ADA));
  expect(labels(page.element)).toEqual(["Ada Lovelace"]);
  await page.hear({ type: "session", data: { ...SESSION.data, author: ADA } } as Frame, ...asked(4, "b", ADA));
  expect(labels(page.element)).toEqual(["You", "You"]);
});

it("shows all names once there is a second author, also of earlier prompts", async () => {
  await page.hear(...asked(1, "a", ADA));
  await page.hear(...asked(4, "b", BOB), { type: "user_message", seq: 7, data: { ...asked(7, "c", ADA)[0]?.data } });
  expect(authors(page.element)).toEqual(["ALAda Lovelace", "B<b>Bob</b>"]);
  expect(labels(page.element)).toEqual(["Ada Lovelace", "<b>Bob</b>"]);
  expect(page.element.querySelector(".rw-queued .rw-author")?.textContent).toBe("ALAda Lovelace");
});

it("shows no name for unknown authors", async () => {
  await page.hear(...asked(1, "a"), ...asked(4, "b", { ...BOB, id: "ticket:1", granted_by: "ada" }));
  expect(authors(page.element)).toEqual([null, "B<b>Bob</b>"]);
});

it.each([[5], ["ada"], [{ id: "ada" }], [{ ...BOB, name: ["x"] }], [[]]])(
  "shows a saved transcript with the invalid author %j",
  async (author) => {
    const events = [...asked(1, "a", ADA), ...asked(4, "b", author)];
    const session = readSession({
      format: "reasoning-widget.session",
      version: 1,
      session_id: "s",
      epoch: "e",
      events,
    });
    const element = document.createElement("div");
    document.body.append(element);
    drawSaved(element, savedStore(session as SavedSession, true), session as SavedSession);
    expect(authors(element)).toEqual(["ALAda Lovelace", null]);
    render(null, element);
    element.remove();
    await page.drawn();
  },
);
