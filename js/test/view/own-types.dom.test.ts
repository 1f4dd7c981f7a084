import { afterEach, beforeEach, expect, it } from "vitest";
import { readSession, savedStore } from "../../src/store/snapshot.ts";
import { drawSaved } from "../../src/view/saved.tsx";
import { asked, delta, finished, Page, SESSION, started, step } from "../page.ts";

let page: Page;

beforeEach(async () => {
  page = new Page();
  await page.hear(SESSION);
});
afterEach(() => page.close());

it("draws a step of an agent's own type under its name, also while text is appended", async () => {
  await page.hear(asked(1, "m", "Go"), started(2, "r", "m"));
  await page.hear(step(3, "p", { type: "travel_plan", content: "Look", status: "streaming" }));
  await page.hear(delta("p", 3, 4, ", then leap."));
  const card = page.card("travel plan, step 1");
  expect(card.dataset.stepType).toBe("travel_plan");
  expect(card.textContent).toContain("Look, then leap.");
  await page.hear(step(4, "p", { type: "travel_plan", content: "Look, then leap." }), finished(5));
  expect(page.card("travel plan, step 1").dataset.status).toBe("done");
});

it("draws such a step of a saved session", () => {
  const events = [
    { type: "run_started", data: { run_id: "r1", message_id: "m1" } },
    { type: "reasoning_step", data: { id: "s1", run_id: "r1", type: "travel_plan", content: "Look, then leap." } },
  ];
  const session = readSession({ format: "reasoning-widget.session", version: 2, session_id: "s", events });
  const element = document.createElement("div");
  drawSaved(element, savedStore(session, true), session);
  const card = element.querySelector('article[aria-label="travel plan, step 1"]');
  expect(card?.textContent).toContain("Look, then leap.");
});
