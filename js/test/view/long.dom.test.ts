import { describe, expect, it, vi } from "vitest";
import { readSession, savedStore } from "../../src/store/snapshot.ts";
import { drawChat } from "../../src/view/chat.tsx";
import { drawSaved } from "../../src/view/saved.tsx";
import "../page.ts";

const STEPS = 300;

/** A saved session with 300 steps in the given number of runs. */
function long(runs: number) {
  const events: object[] = [];
  const put = (type: string, data: object) => events.push({ type, seq: events.length + 1, data });
  for (let run = 0; run < runs; run++) {
    put("user_message", { id: `m${run}`, content: `Question ${run}` });
    put("run_started", { run_id: `r${run}`, message_id: `m${run}` });
    for (let step = 0; step < STEPS / runs; step++) {
      put("reasoning_step", {
        id: `${run}.${step}`,
        run_id: `r${run}`,
        type: "thought",
        content: `Word${run}-${step}.`,
      });
    }
    put("run_finished", { run_id: `r${run}`, status: "completed" });
  }
  const file = { format: "reasoning-widget.session", session_id: "s", epoch: `long ${runs} ${Math.random()}`, events };
  return readSession(file);
}

const ids = (root: HTMLElement) => [...root.querySelectorAll("article")].map((card) => card.dataset.stepId);

describe.each([1, 15])("300 steps in %i runs", (runs) => {
  it("are drawn from the end, a screenful first, and finally all in order", async () => {
    const root = document.createElement("div");
    const session = long(runs);
    const end = drawChat(root, savedStore(session, true));
    const first = ids(root);
    expect(first.length).toBeGreaterThan(20);
    expect(first.length).toBeLessThanOrEqual(60);
    const all = session.events.filter(({ type }) => type === "reasoning_step").map(({ data }) => data.id);
    expect(first).toEqual(all.slice(-first.length));
    await vi.waitFor(() => expect(root.querySelectorAll("article")).toHaveLength(STEPS), { timeout: 100_000 });
    expect(ids(root)).toEqual(all);
    end();
  });
});

describe("the search field", () => {
  it("shows the matching steps, and afterwards all of them", async () => {
    const root = document.createElement("div");
    const end = drawSaved(root, savedStore(long(15), true), long(15));
    const field = root.querySelector<HTMLInputElement>("[type=search]");
    const find = (words: string) => {
      if (field) field.value = words;
      field?.dispatchEvent(new Event("input", { bubbles: true }));
    };
    find("word14-19.");
    await vi.waitFor(() => expect(ids(root)).toEqual(["14.19"]));
    expect(root.querySelector("article [aria-expanded]")?.getAttribute("aria-expanded")).toBe("true");
    find("no such word");
    await vi.waitFor(() =>
      expect(root.querySelector("[role=status].rw-find-count")?.textContent).toBe("Nothing found"),
    );
    expect(ids(root)).toEqual([]);
    find("");
    await vi.waitFor(() => expect(ids(root).length).toBeGreaterThan(20));
    end();
  });
});
