// How a page follows a session over a comm, and what becomes of the messages it sends. No I/O here: comm.ts adds it.
//
// A comm is a broadcast that may lose messages, and a kernel may be busy with a cell for as long as it likes. So a batch
// that does not join on to what is known is dropped and asked for again, and an own message is kept until it is
// acknowledged.

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
import { Values } from "./values.ts";

/** After this long without an acknowledgement, in ms, the person is told that the kernel is busy. */
export const LATE_AFTER = 1000;
/** How often a page makes sure that it has missed nothing while a run is on, in ms. */
export const PING_EVERY = 30_000;
/** How long `attach` may stay unanswered before it is repeated, in ms: doubled each time, up to the second value. */
export const ATTACH_AGAIN = [2000, 60_000] as const;

/** Follows a session in a kernel: the policy, without I/O. */
export class Link implements Sender {
  readonly pending = new Outbox();
  epoch: string | null = null;
  /** The last event that is known, with everything before it. */
  position = 0;
  readonly #post: (message: ClientMessage) => void;
  readonly #target: Target;
  readonly #clock: Clock;
  #attachTimer: (() => void) | null = null;
  #lateTimer: (() => void) | null = null;
  #pingTimer: () => void;
  #pingedAt = Number.NEGATIVE_INFINITY;
  readonly #values = new Values();
  /** This page, where it shares the notebook with others. */
  #page: string | null = null;

  constructor(post: (message: ClientMessage) => void, target: Target, clock: Clock) {
    this.#post = post;
    this.#target = target;
    this.#clock = clock;
    this.#pingTimer = clock.after(PING_EVERY, () => this.#keepWatch());
  }

  /** Ask for everything behind the position. Once: until something joins on, further calls change nothing. */
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
    const oldest = [...this.pending.values()].find(({ message }) => message.type !== "save"); // sent by the page itself
    return oldest !== undefined && this.#clock.now() - oldest.sentAt >= LATE_AFTER;
  }

  /** Ask where the log stands. */
  ping(): void {
    this.#pingedAt = this.#clock.now();
    this.#post({ type: "ping", payload: {} });
  }

  /** Take what the kernel sent. */
  receive(batch: Batch): void {
    if (batch.epoch !== this.epoch) {
      this.epoch = batch.epoch;
      this.position = 0;
      this.#target.startOver(batch.epoch);
    }
    const joins = batch.after <= this.position;
    let lost = !joins;
    for (const frame of batch.frames) {
      if (frame.seq === undefined && frame.type !== "step_delta") this.#notice(frame);
      else if (joins && this.#target.fold(frame) === "gap") lost = true;
    }
    if (joins) this.position = Math.max(this.position, batch.upto);
    if (lost) {
      this.attach();
    } else {
      this.#attachTimer?.();
      this.#attachTimer = null;
    }
    this.#target.settled();
  }

  /** Send and expect nothing more. */
  close(): void {
    this.#attachTimer?.();
    this.#lateTimer?.();
    this.#pingTimer();
  }

  #attach(again: number): void {
    this.#attachTimer = this.#clock.after(again, () => this.#attach(Math.min(again * 2, ATTACH_AGAIN[1])));
    this.#postAttach();
  }

  #postAttach(): void {
    const payload: AttachPayload = { epoch: this.epoch, after: this.position, modules: this.#target.modules() };
    if (this.#page !== null) payload.page = this.#page;
    this.#post({ type: "attach", payload });
  }

  #notice(frame: Frame): void {
    if (frame.type === "session") this.#target.fold(frame);
    const whole = this.#values.whole(frame);
    if (whole) this.#target.notice(whole);
    if (this.pending.settle(frame)) {
      this.#watchLate();
      this.#target.waiting();
    }
    if (dataOf(frame, "pages")?.answer && this.#page !== null) this.#postAttach();
    const pong = dataOf(frame, "pong");
    if (pong) {
      this.#sendAgain();
      if (pong.last_seq > this.position) this.attach();
    }
  }

  /** What was sent before a ping that came back, and is not acknowledged, or its acknowledgement, was lost. */
  #sendAgain(): void {
    for (const { message, sentAt } of this.pending.values()) {
      if (sentAt < this.#pingedAt) this.#post(message);
    }
    this.#pingedAt = Number.NEGATIVE_INFINITY;
  }

  #keepWatch(): void {
    if (this.#target.running() || this.pending.size > 0) this.ping();
    this.#pingTimer = this.#clock.after(PING_EVERY, () => this.#keepWatch());
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
