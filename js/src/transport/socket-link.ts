// How a page follows a session over a WebSocket that may break, and sends its messages reliably. Without I/O, which
// socket.ts adds.
//
// While a WebSocket is open, its messages are complete and in order. So everything that may be missing comes after the last
// event received, where a new connection resumes. Sent messages are kept until they are acknowledged: after a reconnection
// they are sent again with the same ids, and the session handles each id once.

import {
  type ClientMessage,
  type ClientPayloads,
  type ClientType,
  dataOf,
  type Frame,
  type ServerData,
} from "../protocol/frames.ts";
import { type ChatPayload, MAX_CHAT_BYTES, MAX_CLIENT_FRAME_BYTES } from "../protocol/messages.ts";
import { trans } from "../translation.ts";
import type { Clock } from "./clock.ts";
import { Outbox } from "./outbox.ts";
import type { Connected, Connection, Notebook, Target } from "./target.ts";
import { PartialValues } from "./values.ts";

/** The delays before the attempts to reconnect, in ms. After the last one, the page waits for the person. */
export const RETRY_AFTER: readonly number[] = [2000, 4000, 6000, 8000, 10_000];
/** How often the page pings the server, in ms. */
export const PING_EVERY = 30_000;
/** How long to wait for the answer, in ms. */
export const ANSWER_WITHIN = 10_000;
/** How often the views are updated while a page catches up, in ms; not after each of thousands of frames. */
export const SHOW_EVERY = 100;

/** The close code for a deleted session. */
export const DELETED = 4410;
/** The close code for a ticket that has expired or was revoked. */
export const TICKET_ENDED = 4401;

/** Where a new connection resumes. */
export interface Resume {
  epoch: string | null;
  /** The `seq` of the last known event. */
  after: number;
  /** Whether to request new access, because the last one may be invalid. */
  fresh: boolean;
}

/** The I/O of a link: one connection at a time. */
export interface Wire {
  /** Start to connect: calls of the link's `receive`, `lost` or `refused` follow. */
  dial(resume: Resume): void;
  post(message: ClientMessage): void;
  /** Close the connection, or stop connecting. No calls of the link follow. */
  hangUp(): void;
}

/** Follows a session on a server: the policy, without I/O. */
export class SocketLink implements Connected {
  readonly pending = new Outbox();
  readonly late = false;
  epoch: string | null = null;
  /** The `seq` of the last event received. */
  position = 0;
  connection: Connection = { state: "closed" };
  enter: Notebook["enter"] = () => {};
  leave: Notebook["leave"] = () => {};
  save: Notebook["save"] = () => {};
  readonly #wire: Wire;
  readonly #target: Target & { moved(connection: Connection): void };
  readonly #clock: Clock;
  readonly #retryAfter: readonly number[];
  readonly #values = new PartialValues();
  /** The number of failed attempts in a row: those without a `session` frame. */
  #failures = 0;
  #fresh = false;
  /** The position from which missing events were requested, so that they are requested once. */
  #attachedAt = -1;
  /** The last `seq` of the log when this connection was opened. */
  #goal = 0;
  #pinging = false;
  #received = false;
  #retryTimer: (() => void) | null = null;
  #beatTimer: (() => void) | null = null;
  #showTimer: (() => void) | null = null;

  constructor(
    wire: Wire,
    target: Target & { moved(connection: Connection): void },
    clock: Clock,
    retryAfter: readonly number[] = RETRY_AFTER,
  ) {
    this.#wire = wire;
    this.#target = target;
    this.#clock = clock;
    this.#retryAfter = retryAfter;
  }

  // Called by the store and the page

  connect(): void {
    const { state } = this.connection;
    if (state === "open" || state === "connecting" || state === "deleted") return;
    this.#failures = 0;
    this.#dial();
  }

  disconnect(): void {
    if (this.connection.state === "deleted") return;
    this.close();
    this.#move({ state: "closed" });
  }

  /** Check the connection: the page is visible again, or the network is back. */
  wake(): void {
    const { state } = this.connection;
    if (state === "open") this.#ping();
    else if (state !== "closed") this.connect();
  }

  /** As for all senders, but `stop` does not wait for a connection: by then it could stop something else. */
  send<T extends ClientType>(type: T, payload: ClientPayloads[T]): string {
    const message = this.pending.put(type, payload, this.#clock.now());
    const open = this.connection.state === "open";
    if (sizeOf(message) > maxSize(message)) this.#tooLong(message.id);
    else if (open) this.#wire.post(message);
    else if (type === "stop") this.pending.delete(message.id);
    this.#target.waiting();
    if (this.connection.state === "resting") this.connect();
    return message.id;
  }

  /** Close the connection and stop all timers. */
  close(): void {
    this.#stopTimers();
    this.#wire.hangUp();
  }

  // Called by the wire

  receive(frame: Frame): void {
    this.#received = true;
    if (this.#pinging) this.#beat();
    const session = dataOf(frame, "session");
    if (session) this.#begin(session);
    if (session || frame.seq !== undefined || frame.type === "step_delta") this.#fold(frame);
    if (session || (frame.seq === undefined && frame.type !== "step_delta")) this.#notice(frame);
    this.#show();
  }

  /** The connection broke, or could not be opened. `reason` is shown to the person; it may be empty. */
  lost(code: number, reason: string): void {
    const { state } = this.connection;
    if (state !== "open" && state !== "connecting") return;
    this.#stopTimers();
    this.#fresh = code === TICKET_ENDED || state === "connecting";
    const wait = this.#retryAfter[this.#failures];
    if (code === DELETED) this.#move({ state: "deleted" });
    else if (code === TICKET_ENDED && state === "open") this.#dial();
    else if (wait === undefined) this.#move({ state: "resting", reason });
    else this.#wait(wait, reason);
  }

  /** The server refuses the connection, and would refuse it again. */
  refused(reason: string): void {
    this.#stopTimers();
    this.#fresh = true;
    this.#move({ state: "resting", reason });
  }

  // Connecting

  #dial(): void {
    this.#stopTimers();
    this.#move({ state: "connecting" });
    this.#wire.dial({ epoch: this.epoch, after: this.position, fresh: this.#fresh });
  }

  #wait(ms: number, reason: string): void {
    this.#failures++;
    const until = this.#clock.now() + ms;
    const count = (): void => {
      const left = until - this.#clock.now();
      if (left <= 0) {
        this.#dial();
        return;
      }
      const seconds = Math.ceil(left / 1000);
      this.#retryTimer = this.#clock.after(left - (seconds - 1) * 1000, count);
      this.#move({ state: "waiting", seconds, reason });
    };
    count();
  }

  /** A `session` frame begins each connection, each answer to `attach`, and each new log. */
  #begin(session: ServerData["session"]): void {
    if (session.epoch !== this.epoch) {
      this.epoch = session.epoch;
      this.position = 0;
      this.#attachedAt = -1;
      this.#target.startOver(session.epoch);
    }
    this.#goal = session.last_seq;
    if (this.connection.state !== "connecting") return;
    this.#failures = 0;
    this.#fresh = false;
    this.#attachedAt = -1;
    this.#move({ state: "open" });
    this.#beat();
    for (const { message } of this.pending.values()) this.#wire.post(message);
  }

  #move(connection: Connection): void {
    this.connection = connection;
    if (connection.state !== "open") this.#dropStops();
    this.#target.moved(connection);
  }

  // Following the log

  #fold(frame: Frame): void {
    if (this.#target.fold(frame) === "gap") this.#attach();
    this.position = Math.max(this.position, frame.seq ?? 0);
  }

  #notice(frame: Frame): void {
    const joined = this.#values.join(frame);
    if (joined) this.#target.notice(joined);
    if (this.pending.settle(frame)) this.#target.waiting();
    const pong = dataOf(frame, "pong");
    if (pong && pong.last_seq > this.position) this.#attach();
  }

  /** Request what follows the position, once: a plain chat leaves out steps, which no further request would bring. */
  #attach(): void {
    if (this.#attachedAt === this.position) return;
    this.#attachedAt = this.position;
    this.#wire.post({ type: "attach", payload: { epoch: this.epoch, after: this.position } });
  }

  #show(): void {
    if (this.position >= this.#goal) {
      this.#showTimer?.();
      this.#showTimer = null;
      this.#target.settled();
    } else if (this.#showTimer === null) {
      this.#received = false;
      this.#showTimer = this.#clock.after(SHOW_EVERY, () => this.#showPart());
    }
  }

  #showPart(): void {
    this.#showTimer = null;
    this.#target.settled();
    if (this.#received) this.#show();
    else this.#goal = 0; // the server leaves out the rest for this client
  }

  // Sent messages and pings

  #tooLong(id: string): void {
    const message = trans.__("The message is too long: put the text into a file and ask about the file.");
    this.#notice({ type: "error", data: { code: "too_large", message, id } });
    this.#target.settled();
  }

  #dropStops(): void {
    for (const [id, { message }] of this.pending) {
      if (message.type === "stop") this.pending.delete(id);
    }
  }

  #beat(): void {
    this.#pinging = false;
    this.#beatTimer?.();
    this.#beatTimer = this.#clock.after(PING_EVERY, () => this.#ping());
  }

  #ping(): void {
    this.#beatTimer?.();
    this.#pinging = true;
    this.#wire.post({ type: "ping", payload: {} });
    this.#beatTimer = this.#clock.after(ANSWER_WITHIN, () => {
      this.#wire.hangUp();
      this.lost(0, trans.__("The server no longer answers."));
    });
  }

  #stopTimers(): void {
    this.#pinging = false;
    for (const stop of [this.#retryTimer, this.#beatTimer, this.#showTimer]) stop?.();
    this.#retryTimer = this.#beatTimer = this.#showTimer = null;
  }
}

/** The largest size of a message in bytes: larger if it has attachments. */
function maxSize({ payload }: ClientMessage): number {
  return Array.isArray((payload as Partial<ChatPayload>).message) ? MAX_CHAT_BYTES : MAX_CLIENT_FRAME_BYTES;
}

function sizeOf(message: ClientMessage): number {
  return new TextEncoder().encode(JSON.stringify(message)).length;
}
