// Reads a session from a notebook file. Such a file may have been edited, so that it contains anything: what is invalid is
// left out, with a note for the reader.

import { type Step, stepKey, type Transcript } from "../protocol/fold.ts";
import { dataOf, EVENT_TYPES, type EventType, type Frame } from "../protocol/frames.ts";
import { outputsOf, PLAIN, withOutputs } from "../protocol/outputs.ts";
import { trans } from "../translation.ts";
import type { ConnectedChat } from "./chats.ts";
import { Store } from "./store.ts";

const FORMAT = "reasoning-widget.session";
const VERSION = 2;
/** Longer texts, in UTF-16 units, are cut: valid files have none. */
const MAX_TEXT = 256 * 1024;
/** Events nested deeper are left out: valid files have none. */
const MAX_DEPTH = 64;

/** A session, as it was read from a notebook. */
export interface SavedSession {
  sessionId: string;
  epoch: string;
  /** The only message that is saved, with its run; null if the whole session is. */
  messageId: string | null;
  events: Frame[];
  /** The long MIME values by SHA-256. */
  blobs: Record<string, unknown>;
  /** Sentences that tell the reader what is wrong or missing. */
  notes: string[];
  /** Whether nothing in the file can be read. */
  broken?: boolean;
}

/** Read a session from a notebook. Never fails: from an invalid value it returns a session without events, with a note. */
export function readSession(value: unknown): SavedSession {
  const file = isObject(value) ? value : {};
  const notes: string[] = [];
  const { sessionId, epoch } = { sessionId: text(file.session_id), epoch: text(file.epoch) };
  let messageId = typeof file.message_id === "string" ? file.message_id : null;
  if (!isObject(value) || !Array.isArray(file.events) || (file.format !== undefined && file.format !== FORMAT)) {
    notes.push(trans.__("This output is not a transcript that can be read."));
    return { sessionId, epoch, messageId, events: [], blobs: {}, notes, broken: true };
  }
  if (typeof file.version === "number" && file.version > VERSION) {
    notes.push(trans.__("This was saved by a later version. This version may not show all of it."));
  }
  if (file.saved === false) notes.push(trans.__("This conversation was not saved (save=False)."));
  const { events, dropped, cut } = readEvents(file.events);
  if (dropped > 0) {
    notes.push(
      trans._n("One event cannot be read and is left out.", "%1 events cannot be read and are left out.", dropped),
    );
  }
  if (cut) notes.push(trans.__("A text is too long to be shown: its end is left out."));
  const { starts, promptIds, runIds } = runsAndPrompts(events);
  const prompts = [...starts.values()].map(({ data }) => data.message_id);
  const isPresent =
    messageId === null || promptIds.has(messageId) || prompts.includes(messageId) || starts.size + promptIds.size === 0;
  if (!isPresent) messageId = null; // show the other messages rather than nothing
  if (!isPresent || prompts.some((id) => !promptIds.has(id))) notes.push(trans.__("A prompt is missing."));
  if ([...runIds].some((id) => !starts.has(id))) notes.push(trans.__("The beginning of a run is missing."));
  const blobs = isObject(file.blobs) ? file.blobs : {};
  return { sessionId, epoch, messageId, events, blobs, notes, broken: dropped > 0 && events.length === 0 };
}

/** A store that shows a saved session. With `over`, no run goes on: everything that was open when it was saved is closed. */
export function savedStore(session: SavedSession, over: boolean): Store {
  const store = new Store(true);
  store.startOver(session.epoch);
  store.transcript.session_id = session.sessionId;
  for (const [blob, value] of Object.entries(session.blobs)) store.notice({ type: "blob", data: { blob, value } });
  const { starts } = runsAndPrompts(session.events);
  for (const event of session.events) {
    try {
      addRunStart(store, event, starts, session.messageId);
      store.fold(withoutMissingValues(event, session.blobs));
    } catch {
      // Invalid in a way that was not noticed when it was read: the other events are still shown.
    }
  }
  if (over) close(store);
  return store;
}

/** The `run_started` event of each run, the ids of the prompts, and the ids of the runs that have steps or requests. */
function runsAndPrompts(events: Frame[]): {
  starts: Map<unknown, Frame>;
  promptIds: Set<unknown>;
  runIds: Set<string>;
} {
  const of = (type: EventType): Frame[] => events.filter((event) => event.type === type);
  return {
    starts: new Map(of("run_started").map((event) => [event.data.run_id, event])),
    promptIds: new Set(of("user_message").map(({ data }) => data.id)),
    runIds: new Set([...of("reasoning_step"), ...of("request")].map(({ data }) => text(data.run_id))),
  };
}

/** If the run of an event has not started yet, start it: steps and requests without a run are not shown. */
function addRunStart(
  store: Store,
  { type, seq = 0, data }: Frame,
  starts: Map<unknown, Frame>,
  messageId: string | null,
): void {
  const run = text(data.run_id);
  if ((type !== "reasoning_step" && type !== "request") || store.run(run)) return;
  const last = store.transcript.messages.at(-1);
  const message = messageId ?? (last?.run_id === null ? last.id : "");
  const start = { ...DEFAULTS.run_started, run_id: run, message_id: message, timestamp: data.timestamp };
  store.fold({ type: "run_started", seq: seq - 0.5, data: starts.get(run)?.data ?? start });
}

/** A step without the formats of outputs that were too long to be saved, unless no other format can be shown. */
function withoutMissingValues(event: Frame, blobs: Record<string, unknown>): Frame {
  const step = dataOf(event, "reasoning_step");
  if (step === null) return event;
  const isSaved = (value: unknown): boolean => !isObject(value) || !("blob" in value) || text(value.blob) in blobs;
  const outputs = outputsOf(step).map((bundle) => {
    const saved = Object.entries(bundle).filter(([, value]) => isSaved(value));
    return saved.every(([type]) => type === PLAIN) ? bundle : Object.fromEntries(saved);
  });
  return { ...event, data: outputs.length > 0 ? { ...withOutputs(step), outputs } : { ...step } };
}

/** The state of a store as a saved session: the latest snapshot of each step, with the text appended since. */
export function sessionOf(
  store: Pick<ConnectedChat, "transcript" | "log" | "blobs">,
  messageId: string | null,
): SavedSession {
  const { transcript } = store;
  const events: Frame[] = [];
  for (const frame of store.log) {
    const step = dataOf(frame, "reasoning_step");
    const known = step && transcript.steps[stepKey(step, frame.seq ?? 0)];
    if (!known) events.push(frame);
    else if (known.seq === frame.seq) events.push({ ...frame, data: withoutSeq(known) });
  }
  return {
    sessionId: transcript.session_id ?? "",
    epoch: transcript.epoch ?? "",
    messageId,
    events: messageId === null ? events : eventsAbout(transcript, events, messageId),
    blobs: store.blobs(),
    notes: [],
  };
}

/** A session in the format of a file. */
export function fileOf({ sessionId, epoch, messageId, events, blobs }: SavedSession): object {
  const about = messageId === null ? {} : { message_id: messageId };
  return { format: FORMAT, version: VERSION, session_id: sessionId, epoch, ...about, events, blobs };
}

/** The events about a message and its run, including the messages that were passed to that run. */
function eventsAbout(transcript: Transcript, events: Frame[], messageId: string): Frame[] {
  const own = transcript.messages.filter((message) => message.id === messageId);
  const runs = new Set(own.map((message) => message.run_id).filter((id) => id !== null));
  const steered = transcript.messages.filter((message) => message.steered && runs.has(message.run_id ?? ""));
  const requests = Object.values(transcript.requests).filter((request) => runs.has(request.run_id));
  const known = new Set<unknown>([
    ...runs,
    ...[...own, ...steered].map((message) => message.id),
    ...requests.map((request) => request.request_id),
  ]);
  return events.filter(({ type, data }) => {
    const ids = [data.message_id, data.run_id, data.request_id, type === "user_message" ? data.id : undefined];
    return type === "session_info" || ids.some((id) => known.has(id));
  });
}

/** Close everything that is open, as an interrupted session does. */
function close(store: Store): void {
  const { transcript } = store;
  const put = (type: EventType, data: object): void => {
    store.fold({ type, seq: transcript.last_seq + 1, data: { ...data } });
  };
  for (const [id, step] of Object.entries(transcript.steps)) {
    if (step.status === "streaming") put("reasoning_step", { ...withoutSeq(step), id, status: "stopped" });
  }
  for (const request of Object.values(transcript.requests)) {
    if (request.closed === null) put("request_closed", { request_id: request.request_id, reason: "interrupted" });
  }
  for (const run of transcript.runs) {
    if (run.status !== "running") continue;
    const last = Math.max(run.timestamp, ...run.steps.map((id) => endOf(transcript.steps[id])));
    const duration = last - run.timestamp;
    put("run_finished", { run_id: run.run_id, status: "interrupted", usage: {}, duration });
  }
}

function endOf(step: Step | undefined): number {
  return step === undefined ? 0 : step.timestamp + (step.duration ?? 0);
}

function withoutSeq({ seq, ...step }: Step): Record<string, unknown> {
  return { ...step };
}

// Reading

type Kind =
  | "string"
  | "number"
  | "boolean"
  | "object"
  | "objects"
  | "strings"
  | "numbers"
  | "parts"
  | "sizes"
  | "author";
type Fields = Record<string, Kind>;

/** The required and the optional fields of each type of event. */
const FIELDS: Record<EventType, [required: Fields, optional: Fields]> = {
  session_info: [{ title: "string" }, {}],
  user_message: [
    { id: "string", content: "string" },
    {
      timestamp: "number",
      follows: "string",
      parts: "parts",
      author: "author",
      agent_name: "string",
      enable_reasoning: "boolean",
      max_iterations: "number",
    },
  ],
  message_withdrawn: [{ message_id: "string", reason: "string" }, {}],
  message_steered: [{ message_id: "string", run_id: "string" }, {}],
  run_started: [
    { run_id: "string", message_id: "string" },
    { agent_name: "string", enable_reasoning: "boolean", timestamp: "number" },
  ],
  reasoning_step: [
    { type: "string", content: "string" },
    {
      id: "string",
      run_id: "string",
      parent_id: "string",
      agent: "string",
      iteration: "number",
      index: "number",
      timestamp: "number",
      duration: "number",
      status: "string",
      tool: "object",
      output: "object",
      outputs: "objects",
      cut: "numbers",
      raised: "object",
      scaled: "sizes",
      usage: "numbers",
    },
  ],
  request: [
    { request_id: "string", run_id: "string", prompt: "string" },
    {
      step_id: "string",
      kind: "string",
      options: "strings",
      details: "object",
      expires: "number",
      timestamp: "number",
    },
  ],
  request_closed: [{ request_id: "string", reason: "string" }, { by: "string" }],
  run_finished: [
    { run_id: "string", status: "string" },
    { duration: "number", usage: "numbers" },
  ],
};

/** The values of missing fields that the views rely on. */
const DEFAULTS: Partial<Record<EventType, Record<string, unknown>>> = {
  user_message: { timestamp: 0, follows: null },
  run_started: { agent_name: "", enable_reasoning: true, timestamp: 0 },
  reasoning_step: { iteration: 0, timestamp: 0, status: "done" },
  request: { step_id: null, kind: "question", expires: null, timestamp: 0 },
  run_finished: { duration: 0, usage: {} },
};

const STATUS: Partial<Record<EventType, [field: string, values: string[], otherwise: string]>> = {
  reasoning_step: ["status", ["streaming", "done", "failed", "stopped"], "done"],
  run_finished: ["status", ["completed", "stopped", "failed", "interrupted", "max_iterations"], "interrupted"],
  request: ["kind", ["approval", "question"], "question"],
  request_closed: ["reason", ["answered", "expired", "stopped", "interrupted"], "interrupted"],
};

function readEvents(values: unknown[]): { events: Frame[]; dropped: number; cut: boolean } {
  const events: Frame[] = [];
  let last = 0;
  let cut = false;
  const onCut = (): void => {
    cut = true;
  };
  for (const value of values) {
    const event = isObject(value) && !deeperThan(value, MAX_DEPTH) ? readEvent(value, onCut) : null;
    if (event === null) continue;
    const { seq } = value as { seq?: unknown };
    last = Number.isSafeInteger(seq) && (seq as number) > last ? (seq as number) : last + 1;
    events.push({ ...event, seq: last });
  }
  return { events, dropped: values.length - events.length, cut };
}

function readEvent(value: Record<string, unknown>, onCut: () => void): Frame | null {
  const { type, data } = value;
  if (typeof type !== "string" || !isObject(data)) return null;
  const { content, ...others } = data;
  const shortened = shorten(type === "reasoning_step" ? others : data, onCut) as Record<string, unknown>;
  if (type === "reasoning_step") shortened.content = content; // cut in `readStep`, where `cut` counts it
  if (!isEventType(type)) return type in { session: 0, step_delta: 0 } ? null : { type, data: shortened };
  const [required, optional] = FIELDS[type];
  for (const [field, kind] of Object.entries(required)) if (!fits(shortened[field], kind)) return null;
  const event: Record<string, unknown> = { ...shortened };
  for (const [field, kind] of Object.entries(optional)) if (!fits(event[field], kind)) delete event[field];
  const read = { ...DEFAULTS[type], ...event };
  const [field, values, otherwise] = STATUS[type] ?? ["", [], ""];
  if (field && !values.includes(read[field] as string)) read[field] = otherwise;
  return { type, data: type === "reasoning_step" ? readStep(read) : read };
}

function readStep(step: Record<string, unknown>): Record<string, unknown> {
  const { tool, content } = step as { tool?: Record<string, unknown>; content: string };
  if (tool !== undefined) {
    step.tool = { name: text(tool.name) || "tool", arguments: text(tool.arguments), call_id: text(tool.call_id) };
  } else if (step.type === "tool_use") {
    step.tool = { name: "tool" };
  }
  const whole = (step.cut as { content?: number } | undefined)?.content ?? 0;
  if (content.length > MAX_TEXT) {
    step.cut = { ...(step.cut as object | undefined), content: whole + content.length - MAX_TEXT };
    step.content = content.slice(0, MAX_TEXT);
  }
  return step;
}

/** `value` with long texts cut. */
function shorten(value: unknown, onCut: () => void): unknown {
  if (typeof value === "string" && value.length > MAX_TEXT) {
    onCut();
    return `${value.slice(0, MAX_TEXT)} …`;
  }
  if (Array.isArray(value)) return value.map((item) => shorten(item, onCut));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shorten(item, onCut)]));
}

function deeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((item) => deeperThan(item, levels - 1));
}

function fits(value: unknown, kind: Kind): boolean {
  if (kind === "number") return Number.isFinite(value);
  if (kind === "object") return isObject(value);
  if (kind === "objects") return Array.isArray(value) && value.every(isObject);
  if (kind === "strings") return Array.isArray(value) && value.every((item) => typeof item === "string");
  if (kind === "numbers") return isObject(value) && Object.values(value).every((item) => Number.isFinite(item));
  if (kind === "parts") return Array.isArray(value) && value.every(isPart);
  if (kind === "author") return isObject(value) && [value.id, value.name, value.initials].every(isText);
  if (kind === "sizes") return isObject(value) && Object.values(value).every(isSize);
  return typeof value === kind;
}

/** Whether it is a part of a prompt: a text, or an attachment that is stored beside the log. */
function isPart(value: unknown): boolean {
  if (!isObject(value)) return false;
  const attachment = value.image ?? value.file;
  if (attachment === undefined) return typeof value.text === "string";
  if (!isObject(attachment)) return false;
  const { blob, mime, name, bytes } = attachment;
  return [blob, mime, name].every(isText) && Number.isFinite(bytes);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isSize(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
}

function isEventType(type: string): type is EventType {
  return (EVENT_TYPES as readonly string[]).includes(type);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
