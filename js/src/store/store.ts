// The state of one chat: its transcript, its connection, and what the person does in its views. It lives as long as the
// widget's model, and all views of the chat share it. The parts that stand on their own are objects of their own.

import { loadModule, moduleNames } from "../modules.ts";
import {
  findRun,
  newTranscript,
  type Outcome,
  type Request,
  type Run,
  receive,
  type Step,
  stepKey,
  type Transcript,
} from "../protocol/fold.ts";
import { dataOf, type Frame } from "../protocol/frames.ts";
import type { AgentInfo, Author, ErrorData, ModelData, ReasoningStep } from "../protocol/messages.ts";
import { trans } from "../translation.ts";
import type { Connected, Connection, Sender, Target } from "../transport/target.ts";
import { Announcements } from "./announcements.ts";
import { chatConnected, connectedChats } from "./chats.ts";
import { Composer } from "./composer.ts";
import type { Extras } from "./extras.ts";
import { requestAnnouncement, statusLabel, stepLabel } from "./labels.ts";
import { Painter } from "./painter.ts";
import { newReader, type Reader, readerOf } from "./reader.ts";
import { SessionClock } from "./session-clock.ts";
import { type Topic, Topics } from "./topics.ts";
import { Values } from "./values.ts";

/** A message from here that was refused. */
export interface Refusal {
  key: number;
  message: string;
}

/** The store of one chat. */
export class Store implements Target {
  transcript: Transcript = newTranscript();
  /** The events of the transcript, in order. */
  log: Frame[] = [];
  /** Whether this is a saved session, which can only be read. */
  readonly saved: boolean;
  agents: AgentInfo[] = [];
  /** The person at this page; null if the host does not tell people apart. */
  author: Author | null = null;
  model: ModelData | null = null;
  refusals: Refusal[] = [];
  /** Whether the kernel or its comm is gone. */
  disconnected = false;
  /** When the connection broke, as `Date.now()` gives it; null while it is open. */
  awaySince: number | null = null;
  /** The connection to a server; null if the session is in the kernel. */
  connection: Connection | null = null;

  /** The id of this page's connection to the kernel, if pages share the notebook. */
  page: string | null = null;
  /** The pages that share the notebook, in the order in which they joined. */
  pages: string[] = [];
  /** The latest MIME bundle that the notebook should save of the session (null) or of one message. */
  readonly bundles = new Map<string | null, Record<string, unknown>>();
  /** The steps and prompts found by a search; null shows all. */
  found: Set<string> | null = null;
  reader: Reader = newReader();
  readonly painter = new Painter();
  readonly topics = new Topics();
  readonly announcements = new Announcements(this.topics);
  readonly clock = new SessionClock(() => this.topics.emit("clock"));
  readonly values = new Values(this.topics, () => this.link);
  readonly composer = new Composer(this);
  /** Additions of the host to the views. */
  extras: Extras = {};

  /** The connection of the transport; null before there is one, and for a saved session. */
  link: Sender | Connected | null = null;
  readonly #stopping = new Set<string>();
  #refusalCount = 0;

  constructor(saved = false) {
    this.saved = saved;
  }

  /** Call `listener` when `topic` has changed, until the returned function is called. */
  on(topic: Topic, listener: () => void): () => void {
    return this.topics.on(topic, listener);
  }

  // Called by the transport

  connected(link: Sender): void {
    this.link = link;
    this.disconnected = false;
    this.away(false);
    if (this.page !== null) link.enter(this.page);
    this.topics.emit("composer");
  }

  lost(): void {
    this.disconnected = true;
    this.away(true);
    this.topics.emit("chat", "composer");
  }

  /** Set whether the session is unreachable, so that the state of its run is unknown. */
  away(away: boolean): void {
    if (away === (this.awaySince !== null)) return;
    this.awaySince = away ? Date.now() : null;
    this.#emitLatestRun();
  }

  moved(connection: Connection): void {
    this.connection = connection;
    this.away(connection.state !== "open");
    // A stop does not outlive its connection: it may be pressed again.
    if (connection.state !== "open") this.#stopping.clear();
    this.topics.emit("chat", "composer");
    this.#emitLatestRun();
    this.clock.run(this.running());
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
    this.topics.mark("chat", "composer");
  }

  fold(frame: Frame): Outcome {
    const outcome = receive(this.transcript, frame);
    if (outcome === "applied") {
      if (frame.seq !== undefined) this.log.push(frame);
      this.clock.messageArrived();
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
      this.composer.defaultAgent = session.agent_name ?? session.agents[0]?.name ?? "";
      this.clock.set(session.time);
    }
    const pong = dataOf(frame, "pong");
    if (pong) this.clock.set(pong.time);
    const error = dataOf(frame, "error");
    if (error) this.#refused(error);
    const blob = dataOf(frame, "blob");
    if (blob) this.values.set(blob.blob, blob.value);
    const saved = dataOf(frame, "saved");
    if (saved && (saved.page === undefined || saved.page === this.page)) {
      this.bundles.set(saved.message_id, saved.bundle);
      this.topics.mark("bundles");
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
    this.topics.mark("composer");
  }

  settled(): void {
    this.topics.flush();
    this.clock.run(this.running());
  }

  waiting(): void {
    this.topics.emit("chat", "composer");
  }

  running(): boolean {
    return this.activeRun !== null;
  }

  modules(): string[] {
    return moduleNames();
  }

  /** The latest run depends on the connection: whether it can be stopped, and whether its state is known. */
  #emitLatestRun(): void {
    const run = this.transcript.runs.at(-1);
    if (run) this.topics.emit(`run:${run.run_id}`);
  }

  /** Mark the topics that a folded frame changes, and announce what is new. */
  #note(frame: Frame): void {
    const { topics } = this;
    const delta = dataOf(frame, "step_delta");
    if (delta) {
      topics.mark(`text:${delta.step_id}`);
      if (delta.channel === "output" && delta.offset === 0) topics.mark(`step:${delta.step_id}`); // one more output
      return;
    }
    const step = dataOf(frame, "reasoning_step");
    if (step) {
      const id = stepKey(step, frame.seq ?? 0);
      topics.mark(`step:${id}`, `text:${id}`, `run:${step.run_id}`);
      if (step.status !== "streaming") this.announcements.add(this.#stepAnnouncement(id, step));
      return;
    }
    const finished = dataOf(frame, "run_finished");
    if (finished) topics.mark(`run:${finished.run_id}`);
    const request = dataOf(frame, "request");
    if (request) {
      topics.mark(`run:${request.run_id}`);
      this.announcements.add(requestAnnouncement(request));
    }
    const closed = this.transcript.requests[dataOf(frame, "request_closed")?.request_id ?? ""];
    if (closed) {
      topics.mark(`run:${closed.run_id}`);
      this.announcements.retract(requestAnnouncement(closed));
    }
    const message = dataOf(frame, "user_message");
    if (message) this.composer.logged(message.id);
    const withdrawn = dataOf(frame, "message_withdrawn");
    if (withdrawn) this.composer.withdrawn(withdrawn.message_id, withdrawn.reason);
    topics.mark("chat", "composer");
  }

  #refused(error: ErrorData): void {
    this.composer.refused(error.id ?? "");
    this.refusals = [...this.refusals, { key: this.#refusalCount++, message: error.message }];
    this.topics.mark("chat");
  }

  #stepAnnouncement(id: string, { type, content, status = "done" }: ReasoningStep): string {
    const name = this.stepName(id);
    if (type === "final_answer" || type === "error") return `${name}: ${content.slice(0, 500)}`;
    return status === "done" ? name : trans.__("%1, %2", name, statusLabel(status));
  }

  // Read by the views

  /** Whether a run is active that has sent nothing for a while. */
  get quiet(): boolean {
    return this.running() && this.clock.quiet;
  }

  /** The active run. A session that was deleted during a run has none, because no event will end it. */
  get activeRun(): Run | null {
    if (this.deleted) return null;
    return this.transcript.runs.findLast((run) => run.status === "running") ?? null;
  }

  /** Whether a message has waited so long for its acknowledgement that the kernel must be busy. */
  get late(): boolean {
    return this.link?.late ?? false;
  }

  /** Whether messages are sent now. Otherwise they wait for the connection. */
  get online(): boolean {
    return this.connection === null ? !this.disconnected : this.connection.state === "open";
  }

  /** Whether the person can write a message, to be sent now or once there is a connection. */
  get writable(): boolean {
    return !this.disconnected && !this.deleted;
  }

  /** Whether the session is gone from its server. */
  get deleted(): boolean {
    return this.connection?.state === "deleted";
  }

  /** The number of messages that wait for the connection. */
  get waitingMessages(): number {
    const pending = this.online ? [] : [...(this.link?.pending.values() ?? [])];
    return pending.filter(({ message }) => message.type !== "blob").length;
  }

  /** Whether the person has asked to stop the run. */
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

  /** The name of a step: "Thought, step 3". */
  stepName(id: string): string {
    const step = this.step(id);
    return step ? trans.__("%1, step %2", stepLabel(step.type), this.stepNumber(id)) : "";
  }

  /** The number of a step in its run, from 1. */
  stepNumber(id: string): number {
    return (findRun(this.transcript, this.step(id)?.run_id ?? "")?.steps.indexOf(id) ?? -1) + 1;
  }

  /** The values beside the log that have arrived, by hash. */
  blobs(): Record<string, unknown> {
    return this.values.all();
  }

  // Actions of the person and the page

  /** Connect to the server now. */
  connect(): void {
    if (this.link && "connect" in this.link) this.link.connect();
  }

  /** Close the connection to the server until `connect`. */
  disconnect(): void {
    if (this.link && "disconnect" in this.link) this.link.disconnect();
  }

  stop(runId: string): void {
    if (!this.online) return;
    this.#stopping.add(runId);
    this.link?.send("stop", { run_id: runId });
    this.topics.emit("composer", `run:${runId}`);
  }

  clear(): void {
    if (this.link?.epoch) this.link.send("clear", { epoch: this.link.epoch });
  }

  answer(requestId: string, value: unknown): void {
    this.link?.send("answer", { request_id: requestId, value });
  }

  /** Join the pages that share the notebook, as `page`. The kernel is notified, also after each reconnection. */
  enter(page: string): void {
    this.page = page;
    this.link?.enter(page);
  }

  /** Leave the pages that share the notebook. */
  leave(): void {
    if (this.page !== null) this.link?.leave(this.page);
  }

  /** Whether this page writes an output whose cell was run by the page `ranBy`. */
  writes(ranBy: string | undefined): boolean {
    const { page, pages } = this;
    if (page === null || page === ranBy) return true;
    return page === (pages.includes(ranBy ?? "") ? ranBy : pages[0]);
  }

  /**
   * Request the MIME bundle to save of the session (null) or of one message. `ranBy` is the page that ran the cell of the
   * output; if that is another page, the kernel checks whether it is still there.
   */
  save(messageId: string | null, ranBy?: string): void {
    const shared = this.page === null ? {} : { page: this.page, ...(ranBy === undefined ? {} : { ran_by: ranBy }) };
    this.link?.save({ message_id: messageId, ...shared });
  }

  pullModel(): void {
    this.link?.send("pull_model", {});
  }

  toggle(stepId: string, open: boolean): void {
    this.reader.toggled.set(stepId, open);
    this.topics.emit(`step:${stepId}`);
  }

  /** Show only these steps, open, and these prompts; null shows everything as before. */
  find(found: Set<string> | null): void {
    if (found === this.found) return;
    this.found = found;
    const { runs, steps } = this.transcript;
    this.topics.emit(
      "chat",
      ...runs.map((run): Topic => `run:${run.run_id}`),
      ...Object.keys(steps).map((id): Topic => `step:${id}`),
    );
  }

  dismiss(refusal: Refusal): void {
    this.refusals = this.refusals.filter((other) => other !== refusal);
    this.topics.emit("chat");
  }

  /** Stop the clock, and unregister the chat. */
  close(): void {
    this.clock.run(false);
    const id = this.transcript.session_id ?? "";
    if (connectedChats().get(id) === this) connectedChats().delete(id);
  }
}
