import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Frame } from "../../src/protocol/frames.ts";
import { asked, finished, Page, SESSION, started, step } from "../page.ts";

let page: Page;

beforeEach(async () => {
  page = new Page();
  await page.hear(SESSION);
});
afterEach(() => page.close());

/** The announcements of the view that are still in the page. */
const said = (): (string | null)[] =>
  [...(page.element.querySelector('[aria-live="polite"]')?.children ?? [])].map(({ textContent }) => textContent);
const RUN = [asked(1, "m", "Why?"), started(2, "r", "m")];

describe("a request of the agent", () => {
  const request = {
    request_id: "q",
    run_id: "r",
    step_id: null,
    kind: "approval",
    prompt: "Delete it?",
    expires: null,
  };
  const asks: Frame = { type: "request", seq: 3, data: request };
  const closed: Frame = { type: "request_closed", seq: 4, data: { request_id: "q", reason: "answered", value: true } };

  it("is announced, once", async () => {
    await page.hear(...RUN, asks);
    expect(said()).toEqual(["Approval requested: Delete it?"]);
    await page.hear(closed, step(5, "t", {}));
    expect(said()).toEqual(["Thought, step 1"]);
  });

  it("is not announced if it is already answered", async () => {
    await page.hear(...RUN, asks, closed, step(5, "t", {}));
    expect(said()).toEqual(["Thought, step 1"]);
  });
});

describe("requests", () => {
  const request = { request_id: "q", run_id: "r", step_id: null, prompt: "Delete it?", timestamp: 1000, expires: null };

  /** The names of the cards in the run, in order. */
  const order = (): (string | null)[] =>
    [...page.element.querySelectorAll("article, section[data-request-id]")].map((card) =>
      card.hasAttribute("data-request-id") ? card.getAttribute("data-request-id") : card.getAttribute("aria-label"),
    );

  it("are shown where they were made", async () => {
    const approval = { ...request, kind: "approval" };
    await page.hear(
      ...RUN,
      { type: "request", seq: 3, data: { ...approval, request_id: "first", timestamp: 999 } },
      step(4, "t", { timestamp: 1000, content: "Hm." }),
      step(5, "u", { timestamp: 1001, type: "tool_result", status: "streaming" }),
      { type: "request", seq: 6, data: { ...approval, timestamp: 1002, step_id: "u" } },
      { type: "request_closed", seq: 7, data: { request_id: "q", reason: "answered", value: true } },
      step(8, "u", { timestamp: 1001, type: "tool_result", content: "done" }),
      step(9, "a", { timestamp: 1003, type: "final_answer", content: "So." }),
      { type: "request", seq: 10, data: { ...approval, request_id: "last", timestamp: 1004 } },
      finished(11),
    );
    expect(order()).toEqual(["first", "Thought, step 1", "Tool result, step 2", "q", "Final answer, step 3", "last"]);
  });

  it("are shown in the plain chat too, without the steps before them", async () => {
    await page.hear(
      asked(1, "m", "Why?"),
      started(2, "r", "m", false),
      step(3, "t", { timestamp: 1000, content: "Hm." }),
      { type: "request", seq: 4, data: { ...request, kind: "approval", timestamp: 1001 } },
      step(5, "a", { timestamp: 1003, type: "final_answer", content: "So." }),
    );
    expect(order()).toEqual(["q", "Final answer, step 2"]);
  });

  it("are approved or rejected", async () => {
    await page.hear(...RUN, { type: "request", seq: 3, data: { ...request, kind: "approval" } });
    page.button("Reject").click();
    expect(page.last("answer")?.payload).toEqual({ request_id: "q", value: false });
    await page.hear({ type: "request_closed", seq: 4, data: { request_id: "q", reason: "answered", value: false } });
    expect(page.element.textContent).toContain("Rejected");
  });

  it("are answered with a text or one of the options", async () => {
    const options = ["red", "blue"];
    await page.hear(
      ...RUN,
      { type: "request", seq: 3, data: { ...request, kind: "question", options } },
      { type: "request", seq: 4, data: { ...request, request_id: "q2", kind: "question" } },
    );
    page.button("blue").click();
    expect(page.last("answer")?.payload).toEqual({ request_id: "q", value: "blue" });
    const input = page.element.querySelector<HTMLInputElement>('input[aria-label="Your answer"]');
    if (!input) throw new Error("there is no field");
    input.value = "green";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await page.drawn();
    page.button("Answer").click();
    expect(page.last("answer")?.payload).toEqual({ request_id: "q2", value: "green" });
  });
});
