import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { newTranscript, receive } from "../../src/protocol/fold.ts";
import type { Frame } from "../../src/protocol/frames.ts";
import { readSession, savedStore, sessionOf } from "../../src/store/snapshot.ts";

const FORMAT = "reasoning-widget.session";
const file = (events: unknown[], more: object = {}) => ({
  format: FORMAT,
  version: 1,
  session_id: "s1",
  epoch: `e-${Math.random()}`,
  events,
  ...more,
});

const question = { type: "user_message", seq: 1, data: { id: "m1", content: "Why?", timestamp: 1, follows: null } };
const started = {
  type: "run_started",
  seq: 2,
  data: { run_id: "r1", message_id: "m1", agent_name: "a", enable_reasoning: true, timestamp: 1 },
};
const step = (seq: number, data: object): Frame => ({
  type: "reasoning_step",
  seq,
  data: { id: "s1", run_id: "r1", type: "thought", content: "Hm", iteration: 1, timestamp: 2, status: "done", ...data },
});
const finished = {
  type: "run_finished",
  seq: 9,
  data: { run_id: "r1", status: "completed", usage: {}, duration: 3 },
};

const folder = join(import.meta.dirname, "../../../tests/fixtures/sessions");
const golden = readdirSync(folder);
const saved = join(folder, "../saved_sessions");

/** The single bundle of version 1 becomes a list with one output. */
function inThisVersion(state: { steps: Record<string, Record<string, unknown>> }): object {
  const steps = Object.entries(state.steps).map(([id, { output, scaled, ...step }]) => {
    const outputs = output === undefined ? {} : { outputs: [output] };
    return [
      id,
      { ...step, ...outputs, ...(scaled === undefined ? {} : { scaled: { 0: Object.values(scaled as object)[0] } }) },
    ];
  });
  return { ...state, steps: Object.fromEntries(steps) };
}

describe("files of earlier versions", () => {
  it("exist", () => expect(golden).toContain("version-1.json"));

  it.each(golden)("%s is read as it was written", (name) => {
    const written = JSON.parse(readFileSync(join(folder, name), "utf8"));
    const session = readSession(written.session);
    expect(session.notes).toEqual([]);
    const { transcript } = savedStore(session, false);
    expect({
      questions: transcript.messages.map((message) => message.content),
      steps: transcript.runs.flatMap((run) =>
        run.steps.map((id) => [transcript.steps[id]?.type, transcript.steps[id]?.content]),
      ),
      runs: transcript.runs.map((run) => run.status),
    }).toEqual(written.shows);
  });

  it.each(readdirSync(saved))("%s gives the same transcript as before", (name) => {
    const written = JSON.parse(readFileSync(join(saved, name), "utf8"));
    const session = readSession(written.file);
    expect(session.notes).toEqual([]);
    expect(savedStore(session, false).transcript).toMatchObject(inThisVersion(written.state));
  });
});

describe("a saved session", () => {
  it("is the fold of its events", () => {
    const events = [question, started, step(3, {}), finished];
    const expected = newTranscript();
    for (const event of events) receive(expected, event as Frame);
    const { transcript } = savedStore(readSession(file(events)), true);
    expect(transcript.runs).toEqual(expected.runs);
    expect(transcript.steps).toEqual(expected.steps);
    expect(transcript.messages).toEqual(expected.messages);
  });

  it("that was saved during a run is closed as interrupted if the run does not go on", () => {
    const request = { type: "request", seq: 4, data: { request_id: "q1", run_id: "r1", prompt: "May I?" } };
    const session = readSession(file([question, started, step(3, { status: "streaming" }), request]));
    const { transcript } = savedStore(session, true);
    expect(transcript.runs[0]?.status).toBe("interrupted");
    expect(transcript.steps.s1?.status).toBe("stopped");
    expect(transcript.requests.q1?.closed?.reason).toBe("interrupted");
    expect(savedStore(session, false).transcript.runs[0]?.status).toBe("running");
  });

  it("is made from a store with the text appended since its last event", () => {
    const store = savedStore(readSession(file([question, started, step(3, { status: "streaming" })])), false);
    store.fold({ type: "step_delta", data: { step_id: "s1", base: 3, channel: "content", offset: 2, text: "m." } });
    const again = savedStore(sessionOf(store, null), true);
    expect(again.transcript.steps.s1).toMatchObject({ content: "Hmm.", status: "stopped" });
    expect(again.transcript.messages[0]?.content).toBe("Why?");
  });

  it("of one message contains only the events about it", () => {
    const other = { type: "user_message", seq: 3, data: { id: "m2", content: "And?", timestamp: 2, follows: "m1" } };
    const store = savedStore(readSession(file([question, started, other, step(4, {}), finished])), false);
    const types = (id: string) => sessionOf(store, id).events.map((event) => event.type);
    expect(types("m1")).toEqual(["user_message", "run_started", "reasoning_step", "run_finished"]);
    expect(types("m2")).toEqual(["user_message"]);
  });
});

describe("an edited file", () => {
  const shown = (value: unknown) => {
    const session = readSession(value);
    return { notes: session.notes.join(" "), store: savedStore(session, true) };
  };

  it.each([null, undefined, 1, "x", [], {}, { events: 3 }, { format: "other", events: [] }])(
    "%j is not a session",
    (value) => {
      expect(shown(value).notes).toContain("not a transcript");
    },
  );

  it("of a later version is shown as far as possible", () => {
    const { notes, store } = shown(file([question, { type: "mood", seq: 2, data: { good: true } }], { version: 3 }));
    expect(notes).toContain("later version");
    expect(store.transcript.messages).toHaveLength(1);
    expect(store.transcript.other).toHaveLength(1);
  });

  it("is shown without invalid events, with their number", () => {
    const broken = [
      null,
      1,
      {},
      { type: "user_message" },
      { type: 3, data: {} },
      { type: "reasoning_step", data: { content: 1 } },
    ];
    const { notes, store } = shown(file([...broken, question, started, step(3, {})]));
    expect(notes).toContain("6 events");
    expect(store.transcript.runs[0]?.steps).toEqual(["s1"]);
  });

  it("keeps its order if its numbers are wrong", () => {
    const events = [question, started, step(3, {}), finished].map((event) => ({ ...event, seq: "no" }));
    expect(shown(file(events)).store.transcript.runs[0]?.status).toBe("completed");
  });

  it("may contain any values: the views get only valid ones", () => {
    const wrong = {
      tool: "x",
      output: [],
      cut: { content: "y" },
      usage: 3,
      duration: "z",
      status: "odd",
      timestamp: null,
    };
    const { store } = shown(file([question, started, step(3, { type: "tool_use", ...wrong })]));
    expect(store.transcript.steps.s1).toEqual({
      id: "s1",
      run_id: "r1",
      type: "tool_use",
      content: "Hm",
      iteration: 1,
      timestamp: 0,
      status: "done",
      seq: 3,
      tool: { name: "tool" },
    });
  });

  it("is cut if a text is too long, with a note", () => {
    const { store } = shown(file([question, started, step(3, { content: "x".repeat(5_000_000) })]));
    expect(store.transcript.steps.s1?.content).toHaveLength(256 * 1024);
    expect(store.transcript.steps.s1?.cut?.content).toBe(5_000_000 - 256 * 1024);
  });

  it.each(["user_message", "request"])("has the other texts of a %s cut as well, with a note", (type) => {
    const long = "x".repeat(5_000_000);
    const data = { id: "m2", content: long, request_id: "q1", run_id: "r1", prompt: "?", details: { content: long } };
    const { notes, store } = shown(file([question, started, { type, seq: 3, data }]));
    expect(notes).toContain("too long to be shown");
    expect(JSON.stringify(store.transcript).length).toBeLessThan(600_000);
  });

  it.each<[string, unknown[], object]>([
    ["of a run", [question, step(3, {}), finished], {}],
    ["of a question and its run", [step(3, {}), finished], {}],
    ["of a run, in what is about one question", [step(3, {}), finished], { message_id: "m1" }],
    ["of the log, and a step that names no run", [step(3, { run_id: undefined })], {}],
  ])("without the beginning %s shows its steps, with a note", (_what, events, more) => {
    const { notes, store } = shown(file(events, more));
    expect(notes).toContain("The beginning of a run is missing");
    const [run] = store.transcript.runs;
    expect(run?.steps).toEqual(["s1"]);
    expect(run?.status).toBe(events.includes(finished) ? "completed" : "interrupted");
    expect(run?.message_id).toBe(events.includes(question) || "message_id" in more ? "m1" : "");
  });

  it("with events in any order shows the steps of its runs", () => {
    const { store } = shown(file([step(1, {}), { ...started, seq: 2 }, { ...question, seq: 3 }]));
    expect(store.transcript.runs.map((run) => run.steps)).toEqual([["s1"]]);
    expect(store.transcript.runs[0]?.agent_name).toBe("a");
  });

  it.each([{}, { message_id: "m1" }, { message_id: "another" }])("without its prompt has a note: %j", (more) => {
    const session = readSession(file([started, step(3, {}), finished], more));
    expect(session.notes).toEqual(["A prompt is missing."]);
    expect([null, "m1"]).toContain(session.messageId); // the message that the view shows exists
  });

  it("changes no prototypes, and does not exhaust the stack", () => {
    let deep: unknown = "x";
    for (let level = 0; level < 100_000; level++) deep = [deep];
    const events = [
      question,
      started,
      step(3, { id: "__proto__" }),
      JSON.parse(
        '{"type":"reasoning_step","seq":4,"data":{"__proto__":{"polluted":1},"id":"constructor","run_id":"r1","type":"thought","content":"x"}}',
      ),
      step(5, { id: "s5", output: { deep } }),
    ];
    const { store, notes } = shown(file(events));
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect(store.transcript.runs[0]?.steps).toEqual(["__proto__", "constructor"]);
    expect(notes).toContain("One event");
  });
});
