import { expect, it } from "vitest";
import { readSession, savedStore } from "../../src/store/snapshot.ts";
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

it("draws each of several pictures that a tool returned", () => {
  const output = { "image/png": "QUJD", "image/png;n=2": "REVG", "image/svg+xml;n=3": "<svg></svg>" };
  const step = {
    id: "s1",
    run_id: "r1",
    type: "tool_result",
    content: "two plots",
    status: "stopped",
    tool: { name: "plot" },
    output,
  };
  const events = [STARTED, { type: "reasoning_step", data: step }];
  const session = readSession({ format: "reasoning-widget.session", version: 1, session_id: "s", events });
  const element = document.createElement("div");
  drawSaved(element, savedStore(session, true), session);
  const sources = [...element.querySelectorAll("img")].map((picture) => picture.src.slice(0, 26));
  expect(sources).toEqual(["data:image/png;base64,QUJD", "data:image/png;base64,REVG", "data:image/svg+xml,%3Csvg%"]);
});
