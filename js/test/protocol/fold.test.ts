import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newTranscript, type Outcome, receive, type Transcript } from "../../src/protocol/fold.ts";
import type { Frame } from "../../src/protocol/frames.ts";

const TRACES = join(import.meta.dirname, "../../../tests/fixtures/traces");

interface Trace {
  name: string;
  frames: Frame[];
  outcomes: Outcome[];
  state: Transcript;
}

const traces = readdirSync(TRACES)
  .filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(readFileSync(join(TRACES, name), "utf8")) as Trace);

const plain = (state: Transcript): unknown => JSON.parse(JSON.stringify(state));

function fold(frames: Frame[]): { state: Transcript; outcomes: Outcome[] } {
  const state = newTranscript();
  return { state, outcomes: frames.map((frame) => receive(state, frame)) };
}

const STARTED: Frame[] = [
  {
    type: "run_started",
    seq: 1,
    data: { run_id: "r", message_id: "m", agent_name: "a", enable_reasoning: true, timestamp: 1 },
  },
  {
    type: "reasoning_step",
    seq: 2,
    data: { type: "thought", content: "", iteration: 1, timestamp: 1, id: "s", run_id: "r", status: "streaming" },
  },
];

const delta = (offset: number, text: string, base = 2): Frame => ({
  type: "step_delta",
  data: { step_id: "s", base, channel: "content", offset, text },
});

describe("the golden traces", () => {
  it("exist", () => {
    expect(traces.length).toBeGreaterThan(0);
  });

  it.each(traces.map((trace) => [trace.name, trace] as const))("%s folds as in Python", (_, trace) => {
    const { state, outcomes } = fold(trace.frames);
    expect(outcomes).toEqual(trace.outcomes);
    expect(plain(state)).toEqual(trace.state);
  });

  it.each(traces.map((trace) => [trace.name, trace] as const))(
    "%s changes nothing when it is received again",
    (_, trace) => {
      const { state } = fold(trace.frames);
      const before = plain(state);
      const epochs = new Set(
        trace.frames.filter((f) => f.type === "session").map((f) => (f.data as { epoch: string }).epoch),
      );
      if (epochs.size > 1) return; // a session of another epoch starts over
      for (const frame of trace.frames) receive(state, frame);
      expect(plain(state)).toEqual(before);
    },
  );
});

describe("deltas", () => {
  it("count code points, not UTF-16 units", () => {
    const { state, outcomes } = fold([...STARTED, delta(0, "a😀"), delta(2, "b"), delta(1, "😀bc")]);
    expect(outcomes.slice(2)).toEqual(["applied", "applied", "applied"]);
    expect(state.steps.s?.content).toBe("a😀bc");
  });

  it("beyond the end or with a newer base are a gap", () => {
    expect(fold([...STARTED, delta(1, "x")]).outcomes.at(-1)).toBe("gap");
    expect(fold([...STARTED, delta(0, "x", 3)]).outcomes.at(-1)).toBe("gap");
  });

  it("replace the changed step and keep the others", () => {
    const { state } = fold(STARTED);
    const [run, step] = [state.runs[0], state.steps.s];
    receive(state, delta(0, "x"));
    expect(state.steps.s).not.toBe(step);
    expect(state.runs[0]).toBe(run);
  });

  it("continue after a snapshot that removed text", () => {
    const shorter: Frame = {
      type: "reasoning_step",
      seq: 3,
      data: { type: "thought", content: "ab", iteration: 1, timestamp: 1, id: "s", run_id: "r", status: "streaming" },
    };
    const { state } = fold([...STARTED, delta(0, "abc <tool"), shorter, delta(2, "c!", 3)]);
    expect(state.steps.s?.content).toBe("abc!");
  });
});

it("any string can be an id", () => {
  const hostile = { type: "thought", content: "x", iteration: 1, timestamp: 1, id: "__proto__", run_id: "r" };
  const { state } = fold([STARTED[0] as Frame, { type: "reasoning_step", seq: 2, data: hostile }]);
  expect(state.runs[0]?.steps).toEqual(["__proto__"]);
  expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  expect(Object.entries(state.steps)).toMatchObject([["__proto__", { content: "x" }]]);
});
