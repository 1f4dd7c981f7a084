import { expect, it } from "vitest";
import { readSession, savedStore } from "../../src/transport/saved.ts";
import { drawSaved } from "../../src/view/saved.tsx";
import "../page.ts";

const STARTED = { type: "run_started", data: { run_id: "r1", message_id: "m1" } };
const STEP = { type: "reasoning_step", data: { id: "s1", run_id: "r1", type: "final_answer", content: "Because." } };

it.each([
  ["the question of what is saved", [STARTED, STEP], { message_id: "m1" }],
  ["the beginning of a run", [STEP], { message_id: "m1" }],
  ["the question that it is said to be about", [STARTED, STEP], { message_id: "m2" }],
  ["the beginning of a conversation", [STEP], {}],
])("where %s is missing a note says so, and the steps are there", (_what, events, more) => {
  const session = readSession({ format: "reasoning-widget.session", version: 1, session_id: "s", events, ...more });
  const element = document.createElement("div");
  drawSaved(element, savedStore(session, true), session);
  expect(element.querySelector("[role=note]")?.textContent).toContain("missing");
  expect(element.querySelector("article")?.textContent).toContain("Because.");
});
