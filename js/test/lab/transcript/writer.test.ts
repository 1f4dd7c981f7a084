import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import { beforeEach, describe, expect, it } from "vitest";
import type { KernelWatch } from "../../../src/lab/transcript/kernel.ts";
import { leave, writesNotebook, writesOutput } from "../../../src/lab/transcript/writer.ts";
import { SESSION_MIME } from "../../../src/protocol/frames.ts";
import { connectedChats } from "../../../src/store/chats.ts";
import { Store } from "../../../src/store/store.ts";
import type { Sender } from "../../../src/transport/target.ts";

const session = { session_id: "s", protocol: 2, epoch: "e", last_seq: 0, agents: [], run: null, time: 1 };
const output = (ranBy?: string): ReadonlyPartialJSONObject => ({ [SESSION_MIME]: { session_id: "s", ran_by: ranBy } });
const kernel = (page: string | null, shared = true): KernelWatch => ({ page, shared }) as KernelWatch;

let said: unknown[][];
let store: Store;

/** The store of `page`, which has received `pages` from the kernel. */
function share(page: string, pages: string[]): void {
  const say =
    (what: string) =>
    (...words: unknown[]): void =>
      void said.push([what, ...words]);
  said = [];
  store = new Store();
  store.connected({ enter: say("enter"), leave: say("leave"), save: say("save") } as unknown as Sender);
  store.notice({ type: "session", data: session });
  store.enter(page);
  store.notice({ type: "pages", data: { pages, answer: false } });
}

beforeEach(() => connectedChats().clear());

describe("an output", () => {
  it("of a notebook that is not shared is written by this page", () => {
    expect(writesOutput(kernel(null, false), output("b"))).toBe(true);
    expect(writesNotebook(kernel(null, false))).toBe(true);
  });

  it.each([
    ["this page ran, before the kernel has said who is there", "a", [], "a", true],
    ["this page ran", "b", ["a", "b"], "b", true],
    ["another ran that is there", "a", ["a", "b"], "b", false],
    ["another ran that has gone, this one being the first", "a", ["a", "c"], "b", true],
    ["another ran that has gone, this one not being the first", "c", ["a", "c"], "b", false],
    ["nobody ran that is known", "a", ["a", "b"], undefined, true],
    ["nobody ran that is known, this page being the second", "b", ["a", "b"], undefined, false],
    ["another ran, before the kernel has said who is there", "a", [], "b", false],
  ])("that %s", (_, page, pages, ranBy, writes) => {
    share(page, pages);
    expect(writesOutput(kernel(page), output(ranBy))).toBe(writes);
  });

  it("without a connected chat is written by no page", () => {
    expect(writesOutput(kernel("a"), output("b"))).toBe(false);
    expect(writesOutput(kernel("a"), { [SESSION_MIME]: null })).toBe(false);
  });

  it("is not written without a kernel", () => {
    share("a", ["a"]);
    expect(writesOutput(kernel(null), output("a"))).toBe(false);
  });
});

it("the notebook's metadata is written by the first page", () => {
  share("a", ["a", "b"]);
  expect(writesNotebook(kernel("a"))).toBe(true);
  share("b", ["a", "b"]);
  expect(writesNotebook(kernel("b"))).toBe(false);
});

it("a bundle to save is used by one page", () => {
  share("a", ["a", "b"]);
  const saved = { message_id: null, bundle: { "text/plain": "so far" } };
  store.notice({ type: "saved", data: { ...saved, page: "b" } });
  expect(store.bundles.size).toBe(0);
  store.notice({ type: "saved", data: { ...saved, page: "a" } });
  expect(store.bundles.get(null)).toEqual(saved.bundle);
});

it("a request to save names the page and the page that ran the cell", () => {
  share("a", ["a", "b"]);
  store.save("m", "b");
  store.save(null);
  expect(said.slice(1)).toEqual([
    ["save", { message_id: "m", page: "a", ran_by: "b" }],
    ["save", { message_id: null, page: "a" }],
  ]);
});

it("a page enters with each connection, and leaves when it is closed", () => {
  share("a", ["a"]);
  leave(kernel("another notebook's"));
  leave(kernel("a"));
  expect(said).toEqual([
    ["enter", "a"],
    ["leave", "a"],
  ]);
  store.connected({ enter: (page) => said.push(["enter again", page]) } as Partial<Sender> as Sender);
  expect(said.at(-1)).toEqual(["enter again", "a"]);
});
