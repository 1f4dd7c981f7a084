// The transcript of a session: the fold of its events. The same function as reasoning_widget/fold.py; the golden traces in
// tests/fixtures/traces/ test both.
//
// The transcript is changed in place, but its items (messages, runs, steps, requests) are replaced when they change, so
// that views can compare them by identity.

import { codePointLength, dropCodePoints } from "./codepoints.ts";
import { EVENT_TYPES, type EventType, type Frame, type ServerData } from "./frames.ts";
import type {
  MessageWithdrawnData,
  ReasoningStep,
  RequestClosedData,
  RequestData,
  RunFinishedData,
  RunStartedData,
  SessionData,
  StepDeltaData,
  Usage,
  UserMessageData,
} from "./messages.ts";
import { outputsOf, PLAIN, withOutputs } from "./outputs.ts";

/**
 * The effect of a frame: it changed the transcript, changed nothing, or could not be applied because earlier frames are
 * missing, which the client must request.
 */
export type Outcome = "applied" | "ignored" | "gap";

/** A text of a step that deltas append to. */
export type Channel = StepDeltaData["channel"];

/** A prompt, with its run (`steered`: it was passed to a run that another prompt had started), or why it was withdrawn. */
export interface Message extends UserMessageData {
  run_id: string | null;
  steered: boolean;
  withdrawn: MessageWithdrawnData["reason"] | null;
}

/** A run, with the ids of its steps in order. */
export interface Run extends RunStartedData {
  status: "running" | RunFinishedData["status"];
  usage: Usage | null;
  /** In seconds; null until the run has ended. */
  duration: number | null;
  steps: string[];
}

/** The latest snapshot of a step, with the text appended since. `seq` is that of the snapshot. */
export interface Step extends ReasoningStep {
  seq: number;
}

/** A request of the agent to the person, and how it was closed. */
export interface Request extends RequestData {
  closed: RequestClosedData | null;
}

/** The state of a session, as JSON values. */
export interface Transcript {
  session_id: string | null;
  epoch: string | null;
  title: string | null;
  last_seq: number;
  messages: Message[];
  runs: Run[];
  steps: Record<string, Step>;
  requests: Record<string, Request>;
  /** Events of types that are unknown to this version. */
  other: Frame[];
}

/** A transcript without events. */
export function newTranscript(): Transcript {
  return {
    session_id: null,
    epoch: null,
    title: null,
    last_seq: 0,
    messages: [],
    runs: [],
    // Ids are not trusted: `__proto__` must be an id like any other.
    steps: Object.create(null),
    requests: Object.create(null),
    other: [],
  };
}

/** Fold one frame into `state`, in place. Frames that do not belong to a transcript (`ack`, `pong`, …) are ignored. */
export function receive(state: Transcript, frame: Frame): Outcome {
  const data: unknown = frame.data;
  if (frame.type === "session") return open(state, data as SessionData);
  if (frame.type === "step_delta") return append(state, data as StepDeltaData);
  const { seq } = frame;
  if (seq == null || seq <= state.last_seq) return "ignored";
  state.last_seq = seq;
  if (isEvent(frame.type)) {
    const fold = EVENTS[frame.type] as (state: Transcript, data: unknown, seq: number) => void;
    fold(state, data, seq);
  } else {
    state.other.push({ ...frame });
  }
  return "applied";
}

/** The text of a channel; `entry` chooses among the texts of the channel `output`. Empty if there is none yet. */
export function channelText(step: ReasoningStep, channel: Channel, entry = 0): string {
  let text: unknown;
  if (channel === "content") text = step.content;
  else if (channel === "arguments") text = step.tool?.arguments;
  else text = outputsOf(step)[entry]?.[PLAIN];
  return typeof text === "string" ? text : "";
}

/** The texts of all outputs of a step: what was printed, and the plain text of what was displayed. */
export function outputText(step: ReasoningStep): string {
  const texts = outputsOf(step).map((_, entry) => channelText(step, "output", entry));
  return texts.filter(Boolean).join("\n");
}

/** Whether the step may still change. */
export function isOpen(step: ReasoningStep): boolean {
  return step.status !== "done" && step.status !== "failed" && step.status !== "stopped";
}

/** The latest run with this id. */
export function findRun(state: Transcript, runId: string): Run | null {
  return state.runs[runIndex(state, runId)] ?? null;
}

/** The key of a step in a transcript: its id, or one made from its place in the log. */
export function stepKey(step: ReasoningStep, seq: number): string {
  return step.id || `seq-${seq}`;
}

/**
 * The lengths of growing texts in code points, for each transcript, so that appending to a long text does not count it again.
 * A snapshot of the step resets them.
 */
const lengths = new WeakMap<Transcript, Map<string, Map<string, number>>>();

function lengthsOf(state: Transcript, stepId: string): Map<string, number> {
  let steps = lengths.get(state);
  if (!steps) {
    steps = new Map();
    lengths.set(state, steps);
  }
  let channels = steps.get(stepId);
  if (!channels) {
    channels = new Map();
    steps.set(stepId, channels);
  }
  return channels;
}

function runIndex(state: Transcript, runId: string): number {
  return state.runs.findLastIndex((run) => run.run_id === runId);
}

function open(state: Transcript, data: SessionData): Outcome {
  let changed = data.epoch !== state.epoch;
  if (changed) {
    // Nothing of the other log applies to this one.
    Object.assign(state, newTranscript(), { epoch: data.epoch, session_id: data.session_id });
    lengths.delete(state);
  }
  if (data.run != null && findRun(state, data.run.run_id) === null) {
    runStarted(state, data.run);
    changed = true;
  }
  return changed ? "applied" : "ignored";
}

function append(state: Transcript, data: StepDeltaData): Outcome {
  const step = state.steps[data.step_id];
  if (step === undefined || data.base > step.seq) return "gap";
  if (data.base < step.seq || !isOpen(step)) return "ignored";
  const { channel } = data;
  const entry = channel === "output" ? (data.entry ?? 0) : 0;
  if (entry > (step.outputs?.length ?? 0)) return "gap";
  const text = channelText(step, channel, entry);
  const known = lengthsOf(state, data.step_id);
  const key = `${channel} ${entry}`;
  const length = known.get(key) ?? codePointLength(text);
  const overlap = length - data.offset;
  if (overlap < 0) return "gap";
  const added = codePointLength(data.text) - overlap;
  if (added <= 0) return "ignored";
  known.set(key, length + added);
  state.steps[data.step_id] = withText(step, channel, entry, text + dropCodePoints(data.text, overlap));
  return "applied";
}

function withText(step: Step, channel: Channel, entry: number, text: string): Step {
  if (channel === "content") return { ...step, content: text };
  if (channel === "arguments") {
    return { ...step, tool: { ...step.tool, arguments: text } as NonNullable<Step["tool"]> };
  }
  const outputs = outputsOf(step);
  return {
    ...step,
    outputs: [...outputs.slice(0, entry), { ...outputs[entry], [PLAIN]: text }, ...outputs.slice(entry + 1)],
  };
}

function setMessage(state: Transcript, id: string, change: Partial<Message>): void {
  const index = state.messages.findLastIndex((message) => message.id === id);
  const message = state.messages[index];
  if (message) state.messages[index] = { ...message, ...change };
}

function runStarted(state: Transcript, data: RunStartedData): void {
  // A `session` frame may have added it before the earlier runs were folded: move it to its place.
  const index = runIndex(state, data.run_id);
  const known = index < 0 ? [] : state.runs.splice(index, 1);
  state.runs.push(known[0] ?? { ...data, status: "running", usage: null, duration: null, steps: [] });
  setMessage(state, data.message_id, { run_id: data.run_id });
}

function reasoningStep(state: Transcript, data: ReasoningStep, seq: number): void {
  const id = stepKey(data, seq);
  const known = state.steps[id];
  if (known === undefined) {
    const index = runIndex(state, data.run_id ?? "");
    const run = state.runs[index];
    if (run) state.runs[index] = { ...run, steps: withStep(state, run.steps, id, data.index) };
  } else if (!isOpen(known)) {
    return;
  }
  lengths.get(state)?.delete(id);
  state.steps[id] = { ...withOutputs(data), seq };
}

/** `ids` with `id` at its place by index: during catching up, a step that opened later may arrive first. */
function withStep(state: Transcript, ids: string[], id: string, index: number | undefined): string[] {
  let at = ids.length;
  if (index != null) {
    while (at > 0 && indexOf(state, ids[at - 1]) > index) at--;
  }
  return [...ids.slice(0, at), id, ...ids.slice(at)];
}

function indexOf(state: Transcript, id: string | undefined): number {
  return state.steps[id ?? ""]?.index ?? -1;
}

function requestClosed(state: Transcript, data: RequestClosedData): void {
  const request = state.requests[data.request_id];
  if (request !== undefined && request.closed === null) {
    state.requests[data.request_id] = { ...request, closed: { ...data } };
  }
}

function runFinished(state: Transcript, data: RunFinishedData): void {
  const index = runIndex(state, data.run_id);
  const run = state.runs[index];
  if (run?.status === "running") state.runs[index] = { ...run, ...data };
}

function isEvent(type: string): type is EventType {
  return (EVENT_TYPES as readonly string[]).includes(type);
}

type EventFolds = { [T in EventType]: (state: Transcript, data: ServerData[T], seq: number) => void };

const EVENTS: EventFolds = {
  session_info: (state, data) => {
    state.title = data.title;
  },
  user_message: (state, data) => {
    state.messages.push({ ...data, run_id: null, steered: false, withdrawn: null });
  },
  message_withdrawn: (state, data) => setMessage(state, data.message_id, { withdrawn: data.reason }),
  message_steered: (state, data) => setMessage(state, data.message_id, { run_id: data.run_id, steered: true }),
  run_started: runStarted,
  reasoning_step: reasoningStep,
  request: (state, data) => {
    state.requests[data.request_id] = { ...data, closed: null };
  },
  request_closed: requestClosed,
  run_finished: runFinished,
};
