import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { asked, finished, Page, SESSION, started, step } from "../page.ts";

let page: Page;

beforeEach(async () => {
  page = new Page();
  await page.hear(SESSION);
});
afterEach(() => {
  vi.useRealTimers();
  page.close();
});

const bars = (): SVGRectElement[] => [...page.element.querySelectorAll<SVGRectElement>("rect")];
const place = (bar: SVGRectElement | undefined): (number | undefined)[] =>
  ["x", "width"].map((name) => Number(bar?.getAttribute(name)));
const axis = (): number => Number(page.element.querySelector(".rw-axis")?.getAttribute("viewBox")?.split(" ")[2]);
const words = (): string | null | undefined => page.element.querySelector(".rw-summary")?.textContent;

const RUN = [
  asked(1, "m", "Why?"),
  started(2, "r", "m"),
  step(3, "t", { content: "Hm", timestamp: 1000, duration: 0.5, usage: { input_tokens: 900, output_tokens: 12 } }),
  step(4, "o", { type: "tool_result", content: "because", timestamp: 1000.5, duration: 1.25 }),
  step(5, "a", { type: "final_answer", content: "So.", timestamp: 1002, duration: 0.25 }),
  finished(6), // after 2.5 s
];

describe("the timeline", () => {
  it("is not there before there is a step", async () => {
    await page.hear(...RUN.slice(0, 2));
    expect(page.element.querySelector(".rw-timeline")).toBeNull();
  });

  it("has a bar for each step, where it was on the run's time, tools apart from the model", async () => {
    await page.hear(...RUN);
    expect(axis()).toBe(2.5);
    expect(bars().map(place)).toEqual([
      [0, 0.5],
      [0.5, 1.25],
      [2, 0.25],
    ]);
    const [thought, tool, answer] = bars().map((bar) => bar.getAttribute("y"));
    expect(thought).toBe(answer);
    expect(tool).not.toBe(thought);
    expect(bars().map((bar) => bar.getAttribute("class"))).toEqual([
      "rw-bar rw-bar-thought",
      "rw-bar rw-bar-tool_result",
      "rw-bar rw-bar-final_answer",
    ]);
  });

  it("tells a step's time and tokens, and what all came to", async () => {
    await page.hear(...RUN);
    expect(bars()[0]?.textContent).toBe("Thought, step 1 · 0.5 s · 900 → 12 tokens");
    expect(words()).toBe("3 steps1,200 → 30 tokens2.5 s");
  });

  it("leaves no gap between two runs", async () => {
    const later = step(9, "b", { type: "final_answer", run_id: "r2", timestamp: 1001, duration: 1 });
    await page.hear(...RUN, asked(7, "m2", "And?"), started(8, "r2", "m2"), later, finished(10, "r2"));
    expect(place(bars()[3])).toEqual([3.5, 1]);
    expect(axis()).toBe(5);
  });

  it("grows while a step is open", async () => {
    vi.useFakeTimers();
    const hearing = page.hear(SESSION, ...RUN.slice(0, 2), step(3, "t", { status: "streaming" }));
    await vi.advanceTimersByTimeAsync(0);
    await hearing;
    const before = axis();
    await vi.advanceTimersByTimeAsync(3000);
    expect(axis() - before).toBeCloseTo(3, 1);
    expect(place(bars()[0])[1]).toBeCloseTo(axis(), 1);
  });

  it("leads to the card", async () => {
    await page.hear(...RUN);
    const card = page.card("Tool result, step 2");
    const scrolled = vi.fn();
    card.scrollIntoView = scrolled;
    bars()[1]?.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    expect(scrolled).toHaveBeenCalled();
    expect(document.activeElement).toBe(page.button("Tool result, step 2", card));
  });

  it("shows of a plain chat only what is shown of it", async () => {
    await page.hear(asked(1, "m", "Why?"), started(2, "r", "m", false), ...RUN.slice(2));
    expect(bars()).toHaveLength(1);
  });

  it("survives times that are none", async () => {
    const odd = { timestamp: Number.NaN, duration: -5 };
    await page.hear(...RUN.slice(0, 2), step(3, "t", odd), finished(4));
    expect(place(bars()[0])).toEqual([0, 0]);
  });
});
