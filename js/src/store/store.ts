// One store for each chat: the transcript, and what the person has done to its views. It lives as long as the widget's
// model; views come and go, and all of them show the same.

import { loadModule, moduleNames } from "../modules.ts";
import {
  findRun,
  type Message,
  newTranscript,
  type Outcome,
  type Request,
  type Run,
  receive,
  type Step,
  stepKey,
  type Transcript,
} from "../protocol/fold.ts";
import { type ClientMessage, dataOf, type Frame } from "../protocol/frames.ts";
import type { AgentInfo, Author, ChatPayload, ErrorData, ModelData, ReasoningStep } from "../protocol/messages.ts";
import { trans } from "../translation.ts";
import type { Connected, Connection, Sender, Target } from "../transport/target.ts";
import {
  type Attachment,
  attachmentsOfMessage,
  contentOf,
  joinedBy,
  readFiles,
  textOf,
  textOfMessage,
} from "./attachments.ts";
import { chatConnected, connectedChats } from "./chats.ts";
import type { Extras } from "./extras.ts";
import { Painter } from "./painter.ts";
import { newReader, type Reader, readerOf } from "./reader.ts";

/**
 * What a view may listen to: `chat` (which messages, runs, requests and notices there are), `composer` (what the
 * composer shows), `run:<id>`, `step:<id>` (a snapshot), `text:<id>` (text was appended), `blob:<hash>`, `forms`, `sent` (the person
 * asked), `clock` (once a second while a
 * run is on) and `announcement`.
 */
export type Topic = string;

/** A message of ours that was refused. */
export interface Refusal {
  key: number;
  message: string;
}

/** A value that is kept beside the log: a MIME value of a step, or what is attached to a message. */
export interface BlobReference {
  blob: string;
}

/** A message that was sent and is not in the log yet. */
export interface Unsent {
  id: string;
  text: string;
  attachments: readonly Attachment[];
}

/** Without a sign of life for this long, in seconds, a run's card says what can be done. */
export const QUIET_AFTER = 30;

/** How many steps are told of at most that came at once: who opens a long conversation does not want to hear all of it. */
const SPOKEN = 5;

export class Store implements Target {
  transcript: Transcript = newTranscript();
  /** The events of the transcript, in order. */
  log: Frame[] = [];
  /** It is over: there is nobody to ask, only what was said to read. */
  readonly saved: boolean;
  agents: AgentInfo[] = [];
  /** As whom the person speaks; null where people are not told apart. */
  author: Author | null = null;
  model: ModelData | null = null;
  refusals: Refusal[] = [];
  /** Why files were not attached to the next message, in sentences. */
  unfit: string[] = [];
  /** The kernel, or its comm, is gone. */
  disconnected = false;
  /** Since when nothing can come, as `Date.now()` has it; null while the connection is there. */
  awaySince: number | null = null;
  /** How it stands with the connection to a server; null where the session is the kernel's own. */
  connection: Connection | null = null;
  /** The latest words for users of screen readers, oldest first. */
  announcements: { key: number; text: string }[] = [];

  /** This page, where it shares the notebook with others: the id of its connection to the kernel. */
  page: string | null = null;
  /** The pages that share it, in the order in which they came, as the kernel says. */
  pages: string[] = [];
  /** What a notebook should keep of the session (null), or of one message: the last that came of each. */
  readonly forms = new Map<string | null, Record<string, unknown>>();
  /** The steps and questions that are looked for; null: all of them are shown. */
  found: Set<string> | null = null;
  reader: Reader = newReader();
  reasoning = true;
  readonly painter = new Painter();
  /** What the host adds to the views. */
  extras: Extras = {};

  #link: Sender | Connected | null = null;
  #chosenAgent: string | null = null;
  #defaultAgent = "";
  /** What was attached to the own messages, by their ids. */
  readonly #own = new Map<string, readonly Attachment[]>();
  /** What was attached to the last of them: it may be refused before it has an id. */
  #sending: readonly Attachment[] = [];
  readonly #edited = new Set<string>();
  readonly #stopping = new Set<string>();
  readonly #blobs = new Map<string, unknown>();
  readonly #listeners = new Map<Topic, Set<() => void>>();
  readonly #dirty = new Set<Topic>();
  #clockOffset = 0;
  #heardAt = 0;
  #ticking: ReturnType<typeof setInterval> | undefined;
  #refusalCount = 0;
  /** How many times files are being read, and when the last of them will have been. */
  #reading = 0;
  #read: Promise<void> = Promise.resolve();
  #announced = 0;

  constructor(saved = false) {
    this.saved = saved;
  }

  // Listening

  /** Call `listener` when something of `topic` has changed; the result ends that. */
  on(topic: Topic, listener: () => void): () => void {
    const known = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, known.add(listener));
    return () => {
      known.delete(listener);
      if (known.size === 0 && this.#listeners.get(topic) === known) this.#listeners.delete(topic);
    };
  }

  #emit(...topics: Topic[]): void {
    for (const topic of topics) {
      for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener();
    }
  }

  // What the link brings

  connected(link: Sender): void {
    this.#link = link;
    this.disconnected = false;
    this.away(false);
    if (this.page !== null) link.enter(this.page);
    this.#emit("composer");
  }

  lost(): void {
    this.disconnected = true;
    this.away(true);
    this.#emit("chat", "composer");
  }

  /** Whether the way to the session is away, so that nothing is known of a run that was on. */
  away(away: boolean): void {
    if (away === (this.awaySince !== null)) return;
    this.awaySince = away ? Date.now() : null;
    this.#emit(...this.transcript.runs.slice(-1).map((run) => `run:${run.run_id}`));
  }

  moved(connection: Connection): void {
    this.connection = connection;
    this.away(connection.state !== "open");
    // A stop does not outlive its connection: it may be pressed again.
    if (connection.state !== "open") this.#stopping.clear();
    this.#emit("chat", "composer", ...this.transcript.runs.slice(-1).map((run) => `run:${run.run_id}`));
    this.#tickWhileRunning();
  }

  startOver(epoch: string): void {
    this.transcript = { ...newTranscript(), epoch };
    this.log = [];
    this.refusals = [];
    const { draft, attachments, focus } = this.reader;
    this.reader = readerOf(epoch);
    this.reader.draft ||= draft;
    if (this.reader.attachments.length === 0) this.reader.attachments = attachments;
    this.reader.focus ??= focus;
    this.#dirty.add("chat").add("composer");
  }

  fold(frame: Frame): Outcome {
    const outcome = receive(this.transcript, frame);
    if (outcome === "applied") {
      if (frame.seq !== undefined) this.log.push(frame);
      this.#heardAt = performance.now();
      this.#note(frame);
    }
    return outcome;
  }

  notice(frame: Frame): void {
    const session = dataOf(frame, "session");
    if (session) {
      this.transcript.session_id ??= session.session_id;
      chatConnected(session.session_id, this);
      this.agents = session.agents;
      this.author = session.author ?? this.author;
      this.#defaultAgent = session.agent_name ?? session.agents[0]?.name ?? "";
      this.#setClock(session.time);
    }
    const pong = dataOf(frame, "pong");
    if (pong) this.#setClock(pong.time);
    const error = dataOf(frame, "error");
    if (error) this.#refused(error);
    const blob = dataOf(frame, "blob");
    if (blob) {
      this.#blobs.set(blob.blob, blob.value);
      this.#dirty.add(`blob:${blob.blob}`);
    }
    const saved = dataOf(frame, "saved");
    if (saved && (saved.page === undefined || saved.page === this.page)) {
      this.forms.set(saved.message_id, saved.bundle);
      this.#dirty.add("forms");
    }
    this.pages = dataOf(frame, "pages")?.pages ?? this.pages;
    const module = dataOf(frame, "module");
    if (module) {
      loadModule(module.name, module.source).catch((error) => {
        console.warn(
          `reasoning-widget: the module ${module.name} could not be loaded; its text is shown as it is.`,
          error,
        );
      });
    }
    this.model = dataOf(frame, "model") ?? this.model;
    this.#dirty.add("composer");
  }

  settled(): void {
    const topics = [...this.#dirty];
    this.#dirty.clear();
    this.#emit(...topics);
    this.#tickWhileRunning();
  }

  waiting(): void {
    this.#emit("chat", "composer");
  }

  running(): boolean {
    return this.activeRun !== null;
  }

  modules(): string[] {
    return moduleNames();
  }

  /** Note which topics a frame that was folded is about. */
  #note(frame: Frame): void {
    const dirty = this.#dirty;
    const delta = dataOf(frame, "step_delta");
    if (delta) {
      dirty.add(`text:${delta.step_id}`);
      if (delta.channel === "output" && delta.offset === 0) dirty.add(`step:${delta.step_id}`); // one more output
      return;
    }
    const step = dataOf(frame, "reasoning_step");
    if (step) {
      const id = stepKey(step, frame.seq ?? 0);
      dirty.add(`step:${id}`).add(`text:${id}`).add(`run:${step.run_id}`);
      if (step.status !== "streaming") this.#announce(this.#stepInWords(id, step));
      return;
    }
    const finished = dataOf(frame, "run_finished");
    if (finished) dirty.add(`run:${finished.run_id}`);
    const request = dataOf(frame, "request");
    if (request) {
      dirty.add(`run:${request.run_id}`);
      this.#announce(requestInWords(request));
    }
    const closed = this.transcript.requests[dataOf(frame, "request_closed")?.request_id ?? ""];
    if (closed) {
      dirty.add(`run:${closed.run_id}`);
      // It is not announced any more, if it has not been.
      this.announcements = this.announcements.filter(({ text }) => text !== requestInWords(closed));
    }
    const message = dataOf(frame, "user_message");
    if (message) this.#keepOwn(message.id);
    const withdrawn = dataOf(frame, "message_withdrawn");
    if (withdrawn) this.#withdrawn(withdrawn.message_id, withdrawn.reason);
    dirty.add("chat").add("composer");
  }

  #withdrawn(id: string, reason: string): void {
    const wanted = reason === "withdrawn" ? this.#edited.has(id) : this.#own.has(id);
    const message = this.transcript.messages.find((other) => other.id === id);
    if (wanted && message) this.#giveBack(textOfMessage(message), attachmentsOfMessage(message), id);
    this.#edited.delete(id);
  }

  /** Put a message into the composer, before what the person has begun to write. */
  #giveBack(message: string, attached: readonly Attachment[], id: string): void {
    const text = this.ownWords(message, id);
    const { draft, attachments } = this.reader;
    this.reader.draft = draft.trim() ? `${text}\n${draft}` : text;
    this.reader.attachments = joinedBy(attached, attachments);
  }

  /** What went with an own message that is not in the log yet. */
  #sentWith(id: string): readonly Attachment[] {
    return this.#own.get(id) ?? this.#sending;
  }

  /** What was sent from here need not be fetched to be shown. */
  #keepOwn(id: string): void {
    const sent = this.#own.get(id) ?? [];
    const message = this.transcript.messages.findLast((other) => other.id === id);
    for (const [index, { blob, bytes }] of (message ? attachmentsOfMessage(message) : []).entries()) {
      const { data, bytes: own } = sent[index] ?? {};
      if (blob !== undefined && data !== undefined && own === bytes) this.#blobs.set(blob, data);
    }
    if (message && sent.length > 0) this.#own.set(id, []);
  }

  #refused(error: ErrorData): void {
    const { id = "" } = error;
    const message = this.#link?.pending.get(id)?.message;
    if (message?.type === "chat") {
      this.#giveBack(textIn(message), this.#sentWith(id), id);
      this.#own.delete(id);
    }
    this.refusals = [...this.refusals, { key: this.#refusalCount++, message: error.message }];
    this.#dirty.add("chat");
  }

  #stepInWords(id: string, { type, content, status = "done" }: ReasoningStep): string {
    const name = this.stepName(id);
    if (type === "final_answer" || type === "error") return `${name}: ${content.slice(0, 500)}`;
    return status === "done" ? name : trans.__("%1, %2", name, statusWord(status));
  }

  #announce(text: string): void {
    this.announcements = [...this.announcements, { key: ++this.#announced, text }].slice(-SPOKEN);
    this.#dirty.add("announcement");
  }

  #setClock(seconds: number): void {
    this.#clockOffset = seconds - Date.now() / 1000;
  }

  #tickWhileRunning(): void {
    if (this.running() === (this.#ticking !== undefined)) return;
    clearInterval(this.#ticking);
    this.#ticking = this.running() ? setInterval(() => this.#emit("clock"), 1000) : undefined;
  }

  // What there is to see

  /** The server's clock, in seconds since the epoch. */
  now(): number {
    return Date.now() / 1000 + this.#clockOffset;
  }

  /** Whether a run is on that has given no sign of life for a while. */
  get quiet(): boolean {
    return this.running() && performance.now() - this.#heardAt >= QUIET_AFTER * 1000;
  }

  /** The run that is on. A session that was deleted in the middle of one has none: nobody will say that it ended. */
  get activeRun(): Run | null {
    if (this.deleted) return null;
    return this.transcript.runs.findLast((run) => run.status === "running") ?? null;
  }

  /** The name of the agent that the next message goes to. */
  get agent(): string {
    return this.#chosenAgent ?? this.#defaultAgent;
  }

  /** Whether a message has waited so long for its acknowledgement that the kernel must be busy. */
  get late(): boolean {
    return this.#link?.late ?? false;
  }

  /** A message as the person wrote it; see `Extras.recall`. */
  ownWords(message: string, id?: string): string {
    return this.extras.recall?.(message, id) ?? message;
  }

  /** What the person wrote in a message of the log, without what went with it. */
  ownText(message: Message): string {
    return this.ownWords(textOfMessage(message));
  }

  /** The messages that were sent and are not in the log yet. */
  get unsent(): Unsent[] {
    const known = new Set(this.transcript.messages.map((message) => message.id));
    return [...(this.#link?.pending ?? [])]
      .filter(([id, { message }]) => message.type === "chat" && !known.has(id))
      .map(([id, { message }]) => ({ id, text: textIn(message), attachments: this.#sentWith(id) }));
  }

  /** Whether what the person sends goes out now; where it does not, messages wait for the connection. */
  get online(): boolean {
    return this.connection === null ? !this.disconnected : this.connection.state === "open";
  }

  /** Whether a message may be written: it is sent now or, once the connection is there, later. */
  get writable(): boolean {
    return !this.disconnected && !this.deleted;
  }

  /** Whether there is a message to send: a text, or something that is attached, all of it read. */
  get sendable(): boolean {
    const { draft, attachments } = this.reader;
    if (!this.writable || this.#reading > 0) return false;
    const ready = attachments.every((attachment) => this.contentOf(attachment) !== undefined);
    return ready && (draft.trim() !== "" || attachments.length > 0);
  }

  /** Whether the session is gone from its server. */
  get deleted(): boolean {
    return this.connection?.state === "deleted";
  }

  /** How many messages of the person's wait for the connection. */
  get waitingMessages(): number {
    const pending = this.online ? [] : [...(this.#link?.pending.values() ?? [])];
    return pending.filter(({ message }) => message.type !== "blob").length;
  }

  /** Whether the run was asked to stop from here. */
  stopping(runId: string): boolean {
    return this.#stopping.has(runId);
  }

  step(id: string): Step | undefined {
    return this.transcript.steps[id];
  }

  run(id: string): Run | null {
    return findRun(this.transcript, id);
  }

  /** The requests of a run, in order. */
  requests(runId: string): Request[] {
    return Object.values(this.transcript.requests).filter((request) => request.run_id === runId);
  }

  /** What a step is called: "Thought, step 3". */
  stepName(id: string): string {
    const step = this.step(id);
    return step ? trans.__("%1, step %2", stepWord(step.type), this.stepNumber(id)) : "";
  }

  /** Which of its run's steps it is, from 1. */
  stepNumber(id: string): number {
    return (findRun(this.transcript, this.step(id)?.run_id ?? "")?.steps.indexOf(id) ?? -1) + 1;
  }

  /** A value that is kept beside the log: undefined until it has come. Listen to `blob:<its hash>`. */
  blob(reference: BlobReference): unknown {
    if (!this.#blobs.has(reference.blob)) {
      this.#blobs.set(reference.blob, undefined);
      this.#link?.send("blob", { blob: reference.blob });
    }
    return this.#blobs.get(reference.blob);
  }

  /** What is attached, in base64: undefined until it has come. Listen to `blob:<its hash>`. */
  contentOf({ data, blob }: Attachment): string | undefined {
    if (data !== undefined || blob === undefined) return data;
    const value = this.blob({ blob });
    return typeof value === "string" ? value : undefined;
  }

  /** Whether what is attached is here, or else nowhere. */
  isHere({ data, blob = "" }: Attachment): boolean {
    return this.saved || data !== undefined || this.#blobs.get(blob) !== undefined;
  }

  /** The values beside the log that have come. */
  blobs(): Record<string, unknown> {
    return Object.fromEntries([...this.#blobs].filter(([, value]) => value !== undefined));
  }

  // What the person does

  /** Send `text`, and what is attached with it. */
  ask(text: string): void {
    const { extras, reader } = this;
    const sent = reader.attachments.map((attachment) => ({ ...attachment, data: this.contentOf(attachment) ?? "" }));
    const message = contentOf(extras.compose?.(text) ?? text, sent);
    const payload = { message, agent_name: this.agent, enable_reasoning: this.reasoning };
    reader.draft = ""; // where the message is refused, it comes back
    reader.attachments = [];
    reader.scrollTop = null;
    this.refusals = [];
    this.unfit = [];
    this.#sending = sent;
    const id = this.#link?.send("chat", payload);
    if (id) {
      this.#own.set(id, sent);
      extras.asked?.(id);
    }
    this.#emit("chat", "composer", "sent");
  }

  /** Connect now to the server. */
  connect(): void {
    if (this.#link && "connect" in this.#link) this.#link.connect();
  }

  /** Leave the server, until `connect`. */
  disconnect(): void {
    if (this.#link && "disconnect" in this.#link) this.#link.disconnect();
  }

  stop(runId: string): void {
    if (!this.online) return;
    this.#stopping.add(runId);
    this.#link?.send("stop", { run_id: runId });
    this.#emit("composer", `run:${runId}`);
  }

  clear(): void {
    if (this.#link?.epoch) this.#link.send("clear", { epoch: this.#link.epoch });
  }

  /** Take a queued message back; with `edit`, its text comes back into the composer. */
  withdraw(messageId: string, edit: boolean): void {
    if (edit) this.#edited.add(messageId);
    this.#link?.send("withdraw", { message_id: messageId });
  }

  answer(requestId: string, value: unknown): void {
    this.#link?.send("answer", { request_id: requestId, value });
  }

  /** The notebook is shared with others, and this is `page`; the kernel is told, also each time that it may have missed it. */
  enter(page: string): void {
    this.page = page;
    this.#link?.enter(page);
  }

  /** The page goes, and writes nothing any more. */
  leave(): void {
    if (this.page !== null) this.#link?.leave(this.page);
  }

  /** Whether this page is the one that writes an output whose cell the page `ranBy` had run. */
  writes(ranBy: string | undefined): boolean {
    const { page, pages } = this;
    if (page === null || page === ranBy) return true;
    return page === (pages.includes(ranBy ?? "") ? ranBy : pages[0]);
  }

  /**
   * Ask for what a notebook should keep of the session, or of one message. `ranBy` is the page that had the cell of the output
   * run. Where another page writes that, the kernel sees whether it is still there.
   */
  save(messageId: string | null, ranBy?: string): void {
    const shared = this.page === null ? {} : { page: this.page, ...(ranBy === undefined ? {} : { ran_by: ranBy }) };
    this.#link?.save({ message_id: messageId, ...shared });
  }

  pullModel(): void {
    this.#link?.send("pull_model", {});
  }

  write(draft: string): void {
    this.reader.draft = draft;
    this.#emit("composer");
  }

  /** Attach files to the next message. What cannot be attached is said in `unfit`. */
  attach(files: readonly File[]): Promise<void> {
    if (files.length === 0) return this.#read;
    this.#reading++;
    this.unfit = [];
    this.#emit("composer");
    this.#read = this.#read.then(async () => {
      const { attached, refused } = await readFiles(files, this.reader.attachments);
      this.reader.attachments = [...this.reader.attachments, ...attached];
      this.unfit = [...this.unfit, ...refused];
      this.#reading--;
      for (const { name } of attached) this.#announce(trans.__("“%1” is attached.", name));
      this.#changedAttachments();
    });
    return this.#read;
  }

  /** Take one away again. */
  detach(attachment: Attachment): void {
    this.reader.attachments = this.reader.attachments.filter((other) => other !== attachment);
    this.unfit = [];
    this.#announce(trans.__("“%1” is removed.", attachment.name));
    this.#changedAttachments();
  }

  forgetUnfit(): void {
    this.unfit = [];
    this.#emit("composer");
  }

  #changedAttachments(): void {
    this.#dirty.delete("announcement");
    this.#emit("composer", "announcement");
  }

  chooseAgent(name: string): void {
    this.#chosenAgent = name;
    this.#emit("chat", "composer");
  }

  showReasoning(on: boolean): void {
    this.reasoning = on;
    this.#emit("composer");
  }

  toggle(stepId: string, open: boolean): void {
    this.reader.toggled.set(stepId, open);
    this.#emit(`step:${stepId}`);
  }

  /** Show only these steps and questions, the steps open; null shows all as it was. */
  find(found: Set<string> | null): void {
    if (found === this.found) return;
    this.found = found;
    const { runs, steps } = this.transcript;
    this.#emit("chat", ...runs.map((run) => `run:${run.run_id}`), ...Object.keys(steps).map((id) => `step:${id}`));
  }

  dismiss(refusal: Refusal): void {
    this.refusals = this.refusals.filter((other) => other !== refusal);
    this.#emit("chat");
  }

  /** Release what runs by itself. */
  close(): void {
    clearInterval(this.#ticking);
    this.#ticking = undefined;
    const id = this.transcript.session_id ?? "";
    if (connectedChats().get(id) === this) connectedChats().delete(id);
  }
}

function textIn({ payload }: ClientMessage): string {
  return textOf((payload as ChatPayload).message);
}

/** What a type of step is called; one of a later version of the protocol by its own name. */
export function stepWord(type: string): string {
  switch (type) {
    case "thought":
      return trans.__("Thought");
    case "tool_use":
      return trans.__("Tool use");
    case "tool_result":
      return trans.__("Tool result");
    case "final_answer":
      return trans.__("Final answer");
    case "error":
      return trans.__("Error");
    default:
      return type.replace(/_/g, " ");
  }
}

/** What a request is called. */
export function requestWord(kind: string): string {
  return kind === "approval" ? trans.__("Approval requested") : trans.__("Question requested");
}

function requestInWords({ kind, prompt }: Pick<Request, "kind" | "prompt">): string {
  return `${requestWord(kind)}: ${prompt.slice(0, 500)}`;
}

/** How a step ended, where that is worth a word. */
export function statusWord(status: string): string {
  if (status === "failed") return trans.__("failed");
  return status === "stopped" ? trans.__("stopped") : status;
}
