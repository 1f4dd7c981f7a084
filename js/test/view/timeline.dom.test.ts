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

interface Bar {
  type: string;
  begin: number;
  top: number;
  length: number;
  height: number;
}

/** The bars that the paths draw, by type. */
const bars = (): Bar[] =>
  [...page.element.querySelectorAll(".rw-bar")].flatMap((path) => {
    const type = path.getAttribute("class")?.replace("rw-bar rw-bar-", "") ?? "";
    const outlines = [...(path.getAttribute("d") ?? "").matchAll(/M(\S+) (\S+)h(\S+)v(\S+)h\S+z/g)];
    return outlines.map(([, begin, top, length, height]) => ({
      type,
      begin: Number(begin),
      top: Number(top),
      length: Number(length),
      height: Number(height),
    }));
  });
const svg = (): Element => page.element.querySelector(".rw-axis") as Element;
/** Dispatch a mouse event at a position on an axis of 250 pixels. */
const mouse = async (type: string, x: number, y: number): Promise<void> => {
  svg().getBoundingClientRect = () => new DOMRect(0, 0, 250, 24);
  svg().dispatchEvent(new MouseEvent(type, { bubbles: true, clientX: x, clientY: y }));
  await page.drawn();
};
const [MODEL, TOOL] = [6, 18];
const axis = (): number => Number(svg().getAttribute("viewBox")?.split(" ")[2]);
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
  it("is absent before the first step", async () => {
    await page.hear(...RUN.slice(0, 2));
    expect(page.element.querySelector(".rw-timeline")).toBeNull();
  });

  it("has a bar for each step at its time, with tools apart from the model", async () => {
    await page.hear(...RUN);
    expect(axis()).toBe(2.5);
    expect(bars()).toEqual([
      { type: "thought", begin: 0, top: 1.5, length: 0.5, height: 9 },
      { type: "tool_result", begin: 0.5, top: 13.5, length: 1.25, height: 9 },
      { type: "final_answer", begin: 2, top: 1.5, length: 0.25, height: 9 },
    ]);
  });

  it("shows a step's time and tokens, and the totals", async () => {
    await page.hear(...RUN);
    await mouse("pointermove", 20, MODEL);
    expect(svg().querySelector("title")?.textContent).toBe("Thought, step 1 · 0.5 s · 900 → 12 tokens");
    await mouse("pointermove", 60, MODEL); // beyond the end
    expect(svg().querySelector("title")).toBeNull();
    expect(words()).toBe("3 steps1,200 → 30 tokens2.5 s");
  });

  it("leaves no gap between two runs", async () => {
    const later = step(9, "b", { type: "final_answer", run_id: "r2", timestamp: 1001, duration: 1 });
    await page.hear(...RUN, asked(7, "m2", "And?"), started(8, "r2", "m2"), later, finished(10, "r2"));
    expect(bars().at(-1)).toMatchObject({ begin: 3.5, length: 1 });
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
    expect(bars()[0]?.length).toBeCloseTo(axis(), 1);
  });

  it("scrolls to the card", async () => {
    await page.hear(...RUN);
    const card = page.card("Tool result, step 2");
    const scrolled = vi.fn();
    card.scrollIntoView = scrolled;
    await mouse("click", 60, TOOL);
    expect(scrolled).toHaveBeenCalled();
    expect(document.activeElement).toBe(page.button("Tool result, step 2", card));
  });

  it("finds a very short step", async () => {
    await page.hear(
      ...RUN.slice(0, 2),
      step(3, "o", { type: "tool_result", timestamp: 1001, duration: 0 }),
      finished(4),
    );
    await mouse("pointermove", 103, TOOL);
    expect(svg().querySelector("title")?.textContent).toMatch(/^Tool result, step 1/);
  });

  const result = (seq: number, id: string, timestamp: number, duration: number) =>
    step(seq, id, { type: "tool_result", timestamp, duration });
  const pointed = async (x: number, y: number) => {
    await mouse("pointermove", x, y);
    return svg().querySelector("title")?.textContent?.split(" · ")[0];
  };

  it("divides a row among overlapping steps, and finds each of them", async () => {
    await page.hear(
      ...RUN.slice(0, 2),
      result(3, "a", 1001, 1),
      result(4, "b", 1001, 1.5),
      result(5, "c", 1002.1, 0.3), // during the second one
      finished(6),
    );
    expect(bars()).toEqual([
      { type: "tool_result", begin: 1, top: 13.5, length: 1, height: 4.5 },
      { type: "tool_result", begin: 1, top: 18, length: 1.5, height: 4.5 },
      { type: "tool_result", begin: expect.closeTo(2.1), top: 13.5, length: 0.3, height: 4.5 },
    ]);
    expect(page.element.querySelectorAll(".rw-bar")).toHaveLength(1);
    expect(await pointed(150, 15)).toBe("Tool result, step 1");
    expect(await pointed(150, 21)).toBe("Tool result, step 2");
    expect(await pointed(225, 15)).toBe("Tool result, step 3");
    expect(await pointed(225, 21)).toBe("Tool result, step 2");
  });

  it("gives successive steps the whole row", async () => {
    await page.hear(...RUN.slice(0, 2), result(3, "a", 1000, 1.0001), result(4, "b", 1001, 1), finished(5));
    expect(bars().map(({ height }) => height)).toEqual([9, 9]);
    expect(await pointed(80, TOOL)).toBe("Tool result, step 1");
    expect(await pointed(120, TOOL)).toBe("Tool result, step 2");
  });

  it("finds a very short step between two long ones", async () => {
    const short = step(4, "b", { type: "error", timestamp: 1001, duration: 0.001 });
    const [before, after] = [step(3, "a", { duration: 1 }), step(5, "c", { timestamp: 1001.001, duration: 1 })];
    await page.hear(...RUN.slice(0, 2), before, short, after, finished(6));
    expect(await pointed(100, MODEL)).toBe("Error, step 2");
  });

  it("has room for steps outside of the time of their run", async () => {
    await page.hear(...RUN, asked(7, "m2", "And?"), started(8, "r2", "m2"));
    await page.hear(
      step(9, "early", { run_id: "r2", timestamp: 990, duration: 1 }),
      step(10, "late", { run_id: "r2", type: "final_answer", timestamp: 1002, duration: 3 }),
      finished(11, "r2"),
    );
    expect(bars()).toContainEqual({ type: "thought", begin: 2.5, top: 1.5, length: 1, height: 9 });
    expect(bars()).toContainEqual({ type: "final_answer", begin: 4.5, top: 1.5, length: 3, height: 9 });
    expect(axis()).toBe(7.5);
    expect(words()).toMatch(/5\.0 s$/);
  });

  it("shows only the visible steps of a plain chat", async () => {
    await page.hear(asked(1, "m", "Why?"), started(2, "r", "m", false), ...RUN.slice(2));
    expect(bars()).toHaveLength(1);
  });

  it("accepts invalid times", async () => {
    const odd = { timestamp: Number.NaN, duration: -5 };
    await page.hear(...RUN.slice(0, 2), step(3, "t", odd), finished(4));
    expect(bars()[0]).toMatchObject({ begin: 0, length: 0 });
  });
});
