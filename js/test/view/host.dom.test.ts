import { afterEach, beforeEach, expect, it } from "vitest";
import { asked, finished, Page, SESSION, started, step } from "../page.ts";

let page: Page;
const heard: string[] = [];
const hear = (event: KeyboardEvent): void => {
  heard.push(event.key);
  event.preventDefault();
};

beforeEach(async () => {
  heard.length = 0;
  document.body.addEventListener("keydown", hear);
  page = new Page();
  await page.hear(SESSION);
});
afterEach(() => {
  document.body.removeEventListener("keydown", hear);
  page.close();
});

it("passes only the key that saves the notebook to it", async () => {
  for (const key of ["d", "x", "Enter", "Delete"]) await page.press(key);
  await page.press("a", { ctrlKey: true });
  expect(heard).toEqual([]);

  const pressed = await page.press("s", { ctrlKey: true });
  await page.press("s", { metaKey: true });
  expect(heard).toEqual(["s", "s"]);
  expect(pressed.defaultPrevented).toBe(true);
});

it("draws code in error messages", async () => {
  const error = step(3, "e", { type: "error", content: "Set `OPENAI_API_KEY`, or **ask**.", status: "failed" });
  await page.hear(asked(1, "m", "Why?"), started(2, "r", "m"), error, finished(4, "r", "failed"));
  const card = page.card("Error, step 1");
  expect(card.querySelector("code")?.textContent).toBe("OPENAI_API_KEY");
  expect(card.textContent).toContain("Set OPENAI_API_KEY, or **ask**.");
});

it("previews tool results as they are, and Markdown without its syntax", async () => {
  const tool = { name: "calculate", arguments: '{"expression": "6 * 7"}', call_id: "c" };
  await page.hear(
    asked(1, "m", "Why?"),
    started(2, "r", "m"),
    step(3, "t", { content: "I **count**." }),
    step(4, "u", { type: "tool_use", tool }),
    step(5, "o", { type: "tool_result", content: "6 * 7 = 42", tool }),
    finished(6),
  );
  expect(page.card("Thought, step 1").textContent).toContain("I count.");
  expect(page.card("Tool use, step 2").textContent).toContain('{"expression": "6 * 7"}');
  expect(page.card("Tool result, step 3").textContent).toContain("6 * 7 = 42");
});

it("stops a view that JupyterLab has replaced, but not one that is scrolled out of view", async () => {
  const cell = document.createElement("div");
  document.body.append(cell);
  const replaced = page.view();
  const hidden = page.view();
  cell.append(hidden);
  await page.hear(asked(1, "m", "Why?"), started(2, "r", "m"));
  replaced.remove();
  cell.remove();

  await page.hear(step(3, "t", { content: "Because." }), finished(4));

  expect(replaced.childElementCount).toBe(0);
  expect(hidden.textContent).toContain("Because.");
  expect(page.element.textContent).toContain("Because.");
});
