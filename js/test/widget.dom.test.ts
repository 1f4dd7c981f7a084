import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { asked, delta, finished, Page, SESSION, started, step } from "./page.ts";

let page: Page;

beforeEach(async () => {
  page = new Page();
  await page.hear(SESSION);
});
afterEach(() => {
  vi.useRealTimers();
  page.close();
});

/** The announcements of a view that are still in the page. */
const said = (view: ParentNode = page.element): (string | null)[] =>
  [...(view.querySelector('[aria-live="polite"]')?.children ?? [])].map(({ textContent }) => textContent);
const RUN = [asked(1, "m", "Why?"), started(2, "r", "m")];

describe("the cards", () => {
  it("grow with each token, in the handler of its message", async () => {
    await page.hear(...RUN, step(3, "t", { status: "streaming" }));
    await page.hear(delta("t", 3, 0, "I *think*"));
    expect(page.card("Thought, step 1").querySelector("em")?.textContent).toBe("think");
  });

  it("show their type and status, and are numbered in order", async () => {
    const tool = { name: "search", arguments: '{"query": "why"}', call_id: "c" };
    await page.hear(
      ...RUN,
      step(3, "t", { content: "Hm" }),
      step(4, "u", { type: "tool_use", tool }),
      step(5, "o", { type: "tool_result", content: "because", status: "failed", tool }),
      step(6, "a", { type: "final_answer", content: "So.", status: "streaming" }),
    );
    const cards = [...page.element.querySelectorAll("article")];
    expect(cards.map((card) => [card.getAttribute("aria-label"), card.dataset.stepType, card.dataset.status])).toEqual([
      ["Thought, step 1", "thought", "done"],
      ["Tool use, step 2", "tool_use", "done"],
      ["Tool result, step 3", "tool_result", "failed"],
      ["Final answer, step 4", "final_answer", "streaming"],
    ]);
  });

  it("fold when they are done, unless they failed; the reader's own choice wins", async () => {
    const open = (name: string): string | null => page.button(name, page.card(name)).getAttribute("aria-expanded");
    await page.hear(...RUN, step(3, "t", { content: "Hm", status: "streaming" }));
    expect(open("Thought, step 1")).toBe("true");
    await page.hear(step(4, "t", { content: "Hm, done" }), step(5, "f", { type: "tool_result", status: "failed" }));
    expect(open("Thought, step 1")).toBe("false");
    expect(open("Tool result, step 2")).toBe("true");
    page.button("Thought, step 1").click();
    await page.drawn();
    expect(open("Thought, step 1")).toBe("true");
    expect(page.card("Thought, step 1").textContent).toContain("Hm, done");
    await page.hear(finished(6));
    expect(open("Thought, step 1")).toBe("true");
  });

  it("show SVG as pictures, and name what cannot be shown", async () => {
    const svg = "<svg width='7'><script>hit()</script>\ud800</svg>";
    await page.hear(
      ...RUN,
      step(3, "d", { type: "tool_result", output: { "image/svg+xml": [svg.slice(0, 9), svg.slice(9)] } }),
      step(4, "o", { type: "tool_result", output: { "text/plain": "printed", "application/x-scroll": "?" } }),
    );
    for (const name of ["Tool result, step 1", "Tool result, step 2"]) page.button(name, page.card(name)).click();
    await page.drawn();
    const picture = page.card("Tool result, step 1").querySelector("img");
    expect(decodeURIComponent(picture?.getAttribute("src") ?? "")).toBe(
      `data:image/svg+xml,${svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"').replace("\ud800", "\ufffd")}`,
    );
    const text = page.card("Tool result, step 2").textContent;
    expect(text).toContain("printed");
    expect(text).toContain("This cannot be shown here: application/x-scroll");
  });

  it("of a plain chat are only answers and errors", async () => {
    await page.hear(
      asked(1, "m", "Why?"),
      started(2, "r", "m", false),
      step(3, "t", { content: "Hm" }),
      step(4, "o", { type: "tool_result", status: "failed", content: "no" }),
      step(5, "a", { type: "final_answer", content: "So." }),
    );
    const types = [...page.element.querySelectorAll("article")].map((card) => card.dataset.stepType);
    expect(types).toEqual(["tool_result", "final_answer"]);
  });

  it("that were stopped stay open, because they show what happened to the tool", async () => {
    const content = "The tool may still be running.";
    await page.hear(
      ...RUN,
      step(3, "o", { type: "tool_result", status: "stopped", content }),
      finished(4, "r", "stopped"),
    );
    expect(page.card("Tool result, step 1").textContent).toContain(content);
  });

  it("show arguments as a tree, and long text in part", async () => {
    const tool = { name: "f", arguments: '{"deep": {"list": [1, "two"]}}' };
    await page.hear(
      ...RUN,
      step(3, "u", { type: "tool_use", status: "failed", tool }),
      step(4, "o", { type: "tool_result", status: "failed", content: "x".repeat(9000), cut: { content: 12345 } }),
    );
    expect(page.card("Tool use, step 1").querySelectorAll("details")).toHaveLength(2);
    const result = page.card("Tool result, step 2");
    expect(result.textContent).toContain("12,345 more characters were cut");
    expect(result.textContent?.length).toBeLessThan(5000);
    page.button("Show all 9,000 characters", result).click();
    await page.drawn();
    expect(result.textContent?.length).toBeGreaterThan(9000);
  });

  it("are not drawn again when another one grows", async () => {
    await page.hear(...RUN, step(3, "a", { content: "one", status: "failed" }), step(4, "t", { status: "streaming" }));
    const changes: MutationRecord[] = [];
    const observer = new MutationObserver((records) => changes.push(...records));
    observer.observe(page.element, { subtree: true, childList: true, characterData: true, attributes: true });
    await page.hear(delta("t", 4, 0, "token"));
    observer.disconnect();
    const growing = page.card("Thought, step 2");
    expect(changes.length).toBeGreaterThan(0);
    expect(changes.every((change) => growing.contains(change.target))).toBe(true);
  });

  it("show the status of a run", async () => {
    await page.hear(...RUN, step(3, "a", { type: "final_answer", content: "So." }), finished(4));
    const footer = page.element.querySelector(".rw-run-footer")?.textContent;
    expect(footer).toMatch(/Completed.*researcher.*1 step.*1 iteration.*1,200 → 30 tokens.*2\.5 s/);
  });

  it("are announced once each, by one of several views", async () => {
    const second = page.view();
    await page.hear(...RUN, step(3, "a", { type: "final_answer", content: "So.", status: "streaming" }));
    await page.hear(delta("a", 3, 3, " It is."));
    expect(said()).toEqual([]);
    await page.hear(step(4, "a", { type: "final_answer", content: "So. It is." }));
    expect(said()).toEqual(["Final answer, step 1: So. It is."]);
    expect(said(second)).toEqual([]);
  });

  it("are announced by another view when the announcing one is removed, without repetition", async () => {
    const second = page.view();
    await page.hear(...RUN, step(3, "a", { content: "Hm" }));
    page.element.remove();
    await page.hear(step(4, "b", { content: "Hm" }));
    expect(said(second)).toEqual(["Thought, step 2"]);
    const third = page.view();
    await page.hear(started(5, "r2", "m")); // now the rest of the first view is removed
    await page.hear(step(6, "c", { run_id: "r2" }));
    expect(said(second)).toEqual(["Thought, step 2", "Thought, step 1"]);
    expect(said(third)).toEqual([]);
  });

  it("are announced in a new view only if they arrive after it", async () => {
    await page.hear(...RUN, step(3, "a", { content: "Hm" }));
    page.element.remove();
    const anew = page.view();
    await page.hear(step(4, "b", { content: "Hm" }));
    expect(said(anew)).toEqual(["Thought, step 2"]);
  });
});

describe("the composer", () => {
  it("sends on Enter to the chosen agent, then is empty", async () => {
    await page.write("Why?");
    const choice = page.element.querySelector<HTMLSelectElement>('select[aria-label="Agent"]');
    if (!choice) throw new Error("there is no Agent");
    choice.value = "assistant";
    choice.dispatchEvent(new Event("change", { bubbles: true }));
    page.button("Reasoning").click();
    const event = await page.press("Enter");
    expect(event.defaultPrevented).toBe(true);
    expect(page.last("chat")?.payload).toEqual({ message: "Why?", agent_name: "assistant", enable_reasoning: false });
    expect(page.field.value).toBe("");
    expect(page.element.querySelector("section")?.getAttribute("aria-label")).toBe("Chat with assistant");
  });

  it("sends nothing on Shift+Enter, during a composition, or if it is blank", async () => {
    await page.write("Why?");
    expect((await page.press("Enter", { shiftKey: true })).defaultPrevented).toBe(false);
    await page.press("Enter", { isComposing: true });
    await page.write("  \n");
    await page.press("Enter");
    expect(page.last("chat")).toBeUndefined();
  });

  it("passes no keys to the notebook", async () => {
    const heard = vi.fn();
    document.body.addEventListener("keydown", heard);
    await page.press("a");
    await page.press("Enter", { shiftKey: true });
    document.body.removeEventListener("keydown", heard);
    expect(heard).not.toHaveBeenCalled();
    expect(page.element.querySelector('[data-lm-suppress-shortcuts="true"]')).not.toBeNull();
  });

  it("browses earlier messages, and returns to the draft", async () => {
    await page.hear(asked(1, "m1", "first"), started(2, "r1", "m1"), asked(3, "m2", "second"), started(4, "r2", "m2"));
    await page.write("draft");
    page.field.setSelectionRange(0, 0);
    await page.press("ArrowUp");
    expect(page.field.value).toBe("second");
    page.field.setSelectionRange(0, 0);
    await page.press("ArrowUp");
    expect(page.field.value).toBe("first");
    await page.press("Escape");
    expect(page.field.value).toBe("draft");
  });

  it("gets a refused message back, with the reason", async () => {
    await page.write("Why?");
    await page.press("Enter");
    expect(page.element.textContent).toContain("Waiting");
    const id = page.last("chat")?.id ?? "";
    await page.hear({ type: "error", data: { code: "too_long", message: "Write less.", id } });
    expect(page.field.value).toBe("Why?");
    expect(page.element.querySelector('[role="alert"]')?.textContent).toContain("Write less.");
  });

  it("gets a queued message back when the run is stopped", async () => {
    await page.hear(...RUN);
    await page.write("Next?");
    await page.press("Enter");
    const id = page.last("chat")?.id ?? "";
    await page.hear({ type: "ack", data: { id } }, asked(3, id, "Next?"));
    expect(page.element.textContent).toContain("Queued");
    page.button("Stop").click();
    expect(page.last("stop")?.payload).toEqual({ run_id: "r" });
    await page.hear(
      { type: "message_withdrawn", seq: 4, data: { message_id: id, reason: "stopped" } },
      finished(5, "r", "stopped"),
    );
    expect(page.field.value).toBe("Next?");
  });

  it("gives a queued message back for editing", async () => {
    await page.hear(...RUN, asked(3, "m2", "Next?"));
    page.button("Edit queued message").click();
    expect(page.last("withdraw")?.payload).toEqual({ message_id: "m2" });
    expect(page.field.value).toBe("");
    await page.hear({ type: "message_withdrawn", seq: 4, data: { message_id: "m2", reason: "withdrawn" } });
    expect(page.field.value).toBe("Next?");
  });

  it("says that the kernel is busy", async () => {
    vi.useFakeTimers();
    page.close();
    page = new Page();
    const hearing = page.hear(SESSION, ...RUN);
    await vi.advanceTimersByTimeAsync(0);
    await hearing;
    page.button("Stop").click();
    await vi.advanceTimersByTimeAsync(1100);
    expect(page.element.textContent).toContain("interrupt the kernel");
  });

  it("clears the log", async () => {
    page.button("Clear").click();
    expect(page.last("clear")?.payload).toEqual({ epoch: "e" });
  });

  it("asks before it clears a conversation, and a double click clears nothing", async () => {
    await page.hear(...RUN);
    page.button("Clear").click();
    await page.drawn();
    expect(page.last("clear")).toBeUndefined();
    expect(page.element.querySelector('[role="alertdialog"]')?.textContent).toContain("Clear the conversation?");
    expect(document.activeElement?.textContent).toBe("Keep");
    page.button("Keep the conversation").click();
    await page.drawn();
    expect(page.last("clear")).toBeUndefined();
    expect(document.activeElement).toBe(page.button("Clear"));
    page.button("Clear").click();
    await page.drawn();
    page.button("Clear the conversation").click();
    await page.drawn();
    expect(page.last("clear")?.payload).toEqual({ epoch: "e" });
    expect(page.element.querySelector('[role="alertdialog"]')).toBeNull();
  });

  it("shows where an exception was raised, with the traceback folded", async () => {
    const raised = { where: "agent.py, line 3, in answer", traceback: "Traceback (most recent call last):\n  …" };
    await page.hear(...RUN, step(3, "x", { type: "error", content: "The agent raised ValueError: no", raised }));
    const details = page.element.querySelector("article details") as HTMLDetailsElement;
    expect(details.querySelector("summary")?.textContent).toBe("Raised at agent.py, line 3, in answer");
    expect(details.open).toBe(false);
    expect(details.textContent).toContain("Traceback (most recent call last)");
  });

  it("offers to download a missing model, and shows the progress", async () => {
    const model = { name: "q", source: "embedded", reason: "A small model on this machine answers.", local: true };
    await page.hear({ type: "model", data: { ...model, state: "missing", total: 491_400_064 } });
    page.button("Download model (491 MB)").click();
    expect(page.last("pull_model")).toBeDefined();
    await page.hear({ type: "model", data: { ...model, state: "downloading", received: 50, total: 200 } });
    expect(page.element.querySelector('[role="progressbar"]')?.getAttribute("aria-valuenow")).toBe("25");
    await page.hear({ type: "model", data: { ...model, state: "ready" } });
    expect(page.element.textContent).toContain(model.reason);
    expect(page.element.querySelector('[role="progressbar"]')).toBeNull();
  });
});

it("a run whose kernel is gone is not shown as working", async () => {
  const footer = (): string => page.element.querySelector(".rw-run-footer")?.textContent ?? "";
  await page.hear(...RUN);
  expect(footer()).toContain("Working");
  await page.lose();
  expect(footer()).not.toContain("Working");
  expect(footer()).toMatch(/The kernel stopped at .*\d/);
});

describe("several views", () => {
  it("of one chat show the same", async () => {
    const second = page.view();
    await page.hear(...RUN, step(3, "a", { type: "final_answer", content: "So." }));
    await page.write("draft");
    expect(page.card("Final answer, step 1", second).textContent).toContain("So.");
    expect(second.querySelector("textarea")?.value).toBe("draft");
  });

  it("of one prompt show its run and can stop it, without a composer", async () => {
    const element = document.createElement("div");
    const end = page.exports.drawRun(element, "m2");
    await page.hear(asked(1, "m1", "First?"), started(2, "r1", "m1"), asked(3, "m2", "Second?"), started(4, "r", "m2"));
    await page.hear(step(5, "t", { content: "Hm", status: "streaming" }));
    expect(element.textContent).toContain("Second?");
    expect(element.textContent).not.toContain("First?");
    expect(element.querySelector("textarea")).toBeNull();
    page.button("Stop", element).click();
    expect(page.last("stop")?.payload).toEqual({ run_id: "r" });
    end();
    expect(element.childElementCount).toBe(0);
  });
});

it("unknown events are shown", async () => {
  await page.hear({ type: "weather_report", seq: 1, data: { sky: "blue" } }, asked(2, "m", "?"), started(3, "r", "m"));
  await page.hear(step(4, "x", { type: "daydream" as never, content: "a *cloud*", status: "failed" }));
  expect(page.element.textContent).toContain("weather report");
  expect(page.card("daydream, step 1").textContent).toContain("a cloud");
});

it("a silent run says what can be done", async () => {
  vi.useFakeTimers();
  const hearing = page.hear(...RUN, step(3, "t", { status: "streaming" }));
  await vi.advanceTimersByTimeAsync(0);
  await hearing;
  await vi.advanceTimersByTimeAsync(29_000);
  expect(page.element.textContent).not.toContain("Nothing for 30 s");
  await vi.advanceTimersByTimeAsync(3_000);
  expect(page.element.textContent).toContain("Nothing for 30 s. Press Stop");
  expect(page.card("Thought, step 1").textContent).toMatch(/3[12] s/);
});

it("a chat whose kernel is gone says so, and sends nothing", async () => {
  await page.write("Why?");
  await page.lose();
  expect(page.element.querySelector('[role="alert"]')?.textContent).toContain("The kernel is gone");
  await page.press("Enter");
  expect(page.last("chat")).toBeUndefined();
});
