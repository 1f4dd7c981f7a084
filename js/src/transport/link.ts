// How a page follows a session over a comm, and sends its messages reliably. Without I/O, which comm.ts adds.
//
// A comm is a broadcast that may lose messages, and a cell may keep the kernel busy for any length of time. So a batch that
// leaves a gap is dropped and requested again, and a sent message is kept until it is acknowledged.

import {
  type Batch,
  type ClientMessage,
  type ClientPayloads,
  type ClientType,
  dataOf,
  type Frame,
} from "../protocol/frames.ts";
import type { AttachPayload, SavePayload } from "../protocol/messages.ts";
import type { Clock } from "./clock.ts";
import { Outbox } from "./outbox.ts";
import type { Sender, Target } from "./target.ts";
import { PartialValues } from "./values.ts";

/** If a message is not acknowledged for this long, in ms, the page says that the kernel is busy. */
export const LATE_AFTER = 1000;
/** How often a page checks during a run that it has missed nothing, in ms. */
export const PING_EVERY = 30_000;
/** How long to wait before `attach` is repeated, in ms: doubled each time, up to the second value. */
export const ATTACH_AGAIN = [2000, 60_000] as const;

/** Follows a session in a kernel: the policy, without I/O. */
export class Link implements Sender {
  readonly pending = new Outbox();
  epoch: string | null = null;
  /** The `seq` of the last event up to which the log is complete. */
  position = 0;
  readonly #post: (message: ClientMessage) => void;
  readonly #target: Target;
  readonly #clock: Clock;
  #attachTimer: (() => void) | null = null;
  #lateTimer: (() => void) | null = null;
  #pingTimer: () => void;
  #pingedAt = Number.NEGATIVE_INFINITY;
  readonly #values = new PartialValues();
  /** The id of this page, if it shares the notebook with others. */
  #page: string | null = null;

  constructor(post: (message: ClientMessage) => void, target: Target, clock: Clock) {
    this.#post = post;
    this.#target = target;
    this.#clock = clock;
    this.#pingTimer = clock.after(PING_EVERY, () => this.#check());
  }

  /** Request everything after the position. Does nothing while such a request is unanswered. */
  attach(): void {
    if (this.#attachTimer === null) this.#attach(ATTACH_AGAIN[0]);
  }

  send<T extends ClientType>(type: T, payload: ClientPayloads[T]): string {
    const message = this.pending.put(type, payload, this.#clock.now());
    this.#watchLate();
    this.#post(message);
    this.#target.waiting();
    return message.id;
  }

  save(payload: SavePayload): void {
    this.send("save", payload);
  }

  enter(page: string): void {
    this.#page = page;
    this.#postAttach();
  }

  leave(page: string): void {
    this.#post({ type: "leave", payload: { page } });
  }

  get late(): boolean {
    const oldest = [...this.pending.values()].find(({ message }) => message.type !== "save"); // not sent by the person
    return oldest !== undefined && this.#clock.now() - oldest.sentAt >= LATE_AFTER;
  }

  /** Request the `seq` of the last event. */
  ping(): void {
    this.#pingedAt = this.#clock.now();
    this.#post({ type: "ping", payload: {} });
  }

  /** Handle a batch from the kernel. */
  receive(batch: Batch): void {
    if (batch.epoch !== this.epoch) {
      this.epoch = batch.epoch;
      this.position = 0;
      this.#target.startOver(batch.epoch);
    }
    const continuous = batch.after <= this.position;
    let gap = !continuous;
    for (const frame of batch.frames) {
      if (frame.seq === undefined && frame.type !== "step_delta") this.#notice(frame);
      else if (continuous && this.#target.fold(frame) === "gap") gap = true;
    }
    if (continuous) this.position = Math.max(this.position, batch.upto);
    if (gap) {
      this.attach();
    } else {
      this.#attachTimer?.();
      this.#attachTimer = null;
    }
    this.#target.settled();
  }

  /** Stop all timers. */
  close(): void {
    this.#attachTimer?.();
    this.#lateTimer?.();
    this.#pingTimer();
  }

  #attach(timeout: number): void {
    this.#attachTimer = this.#clock.after(timeout, () => this.#attach(Math.min(timeout * 2, ATTACH_AGAIN[1])));
    this.#postAttach();
  }

  #postAttach(): void {
    const payload: AttachPayload = { epoch: this.epoch, after: this.position, modules: this.#target.modules() };
    if (this.#page !== null) payload.page = this.#page;
    this.#post({ type: "attach", payload });
  }

  #notice(frame: Frame): void {
    if (frame.type === "session") this.#target.fold(frame);
    const joined = this.#values.join(frame);
    if (joined) this.#target.notice(joined);
    if (this.pending.settle(frame)) {
      this.#watchLate();
      this.#target.waiting();
    }
    if (dataOf(frame, "pages")?.answer && this.#page !== null) this.#postAttach();
    const pong = dataOf(frame, "pong");
    if (pong) {
      this.#resend();
      if (pong.last_seq > this.position) this.attach();
    }
  }

  /** Resend what was sent before the ping that was just answered: it, or its acknowledgement, was lost. */
  #resend(): void {
    for (const { message, sentAt } of this.pending.values()) {
      if (sentAt < this.#pingedAt) this.#post(message);
    }
    this.#pingedAt = Number.NEGATIVE_INFINITY;
  }

  #check(): void {
    if (this.#target.running() || this.pending.size > 0) this.ping();
    this.#pingTimer = this.#clock.after(PING_EVERY, () => this.#check());
  }

  #watchLate(): void {
    this.#lateTimer?.();
    this.#lateTimer = null;
    const [oldest] = this.pending.values();
    if (oldest === undefined) return;
    const wait = oldest.sentAt + LATE_AFTER - this.#clock.now();
    if (wait > 0) this.#lateTimer = this.#clock.after(wait, () => this.#target.waiting());
  }
}
