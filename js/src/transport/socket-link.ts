// How a page follows a session over a WebSocket that may break, and what becomes of the messages it sends meanwhile.
// No I/O here: socket.ts adds it.
//
// What a WebSocket brings is complete and in order as long as it holds. So all that can be missing is behind the last
// event that came, and a new connection resumes there. Own messages wait until they are acknowledged: what was written
// or sent without an answer goes out on return, under the same ids, and the session takes each id once.

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
import { Values } from "./values.ts";

/** After so many ms a connection that broke is tried again: once for each of these, then it rests. */
export const RETRY_AFTER: readonly number[] = [2000, 4000, 6000, 8000, 10_000];
/** How often the server is asked whether it is there, in ms. */
export const PING_EVERY = 30_000;
/** For how long it may then be silent, in ms. */
export const ANSWER_WITHIN = 10_000;
/** While it catches up, a page shows what came so often, in ms, rather than after each of thousands of frames. */
export const SHOW_EVERY = 100;

/** The close code that says that the session was deleted. */
export const DELETED = 4410;
/** The close code that says that the ticket has expired or was revoked. */
export const TICKET_ENDED = 4401;

/** What a new connection begins with. */
export interface Resume {
  epoch: string | null;
  /** The last event that is known. */
  after: number;
  /** What let us in the last time may do so no longer. */
  fresh: boolean;
}

/** The I/O of a link: one connection at a time. */
export interface Wire {
  /** Begin to connect: `receive`, `lost` or `refused` of the link follow. */
  dial(resume: Resume): void;
  post(message: ClientMessage): void;
  /** Close the connection, or give up making one; nothing more comes of it. */
  hangUp(): void;
}

/** Follows a session on a server: the policy, without I/O. */
export class SocketLink implements Connected {
  readonly pending = new Outbox();
  readonly late = false;
  epoch: string | null = null;
  /** The last event that came. */
  position = 0;
  connection: Connection = { state: "closed" };
  enter: Notebook["enter"] = () => {};
  leave: Notebook["leave"] = () => {};
  save: Notebook["save"] = () => {};
  readonly #wire: Wire;
  readonly #target: Target & { moved(connection: Connection): void };
  readonly #clock: Clock;
  readonly #retryAfter: readonly number[];
  readonly #values = new Values();
  /** How many times in a row it has not come to a `session` frame. */
  #failures = 0;
  #fresh = false;
  /** The position at which what is missing was asked for: once is enough. */
  #attachedAt = -1;
  /** Where the log stood when this connection began. */
  #goal = 0;
  #asking = false;
  #heard = false;
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

  // What the person and the page do

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

  /** The page is seen again, or the network is back: make sure that the connection holds. */
  wake(): void {
    const { state } = this.connection;
    if (state === "open") this.#ping();
    else if (state !== "closed") this.connect();
  }

  /** As for all senders; `stop` does not wait for a connection, for what it would stop then is another matter. */
  send<T extends ClientType>(type: T, payload: ClientPayloads[T]): string {
    const message = this.pending.put(type, payload, this.#clock.now());
    const open = this.connection.state === "open";
    if (size(message) > longest(message)) this.#tooLong(message.id);
    else if (open) this.#wire.post(message);
    else if (type === "stop") this.pending.delete(message.id);
    this.#target.waiting();
    if (this.connection.state === "resting") this.connect();
    return message.id;
  }

  /** Send and expect nothing more. */
  close(): void {
    this.#stopTimers();
    this.#wire.hangUp();
  }

  // What the wire brings

  receive(frame: Frame): void {
    this.#heard = true;
    if (this.#asking) this.#beat();
    const session = dataOf(frame, "session");
    if (session) this.#begin(session);
    if (session || frame.seq !== undefined || frame.type === "step_delta") this.#fold(frame);
    if (session || (frame.seq === undefined && frame.type !== "step_delta")) this.#notice(frame);
    this.#show();
  }

  /** The connection broke, or could not be made. `reason` is for the person; it may be empty. */
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

  /** The server will not have us, and trying again would change nothing. */
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

  /** A `session` frame leads a connection, what `attach` brings, and a log that begins anew. */
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

  // Following

  #fold(frame: Frame): void {
    if (this.#target.fold(frame) === "gap") this.#attach();
    this.position = Math.max(this.position, frame.seq ?? 0);
  }

  #notice(frame: Frame): void {
    const whole = this.#values.whole(frame);
    if (whole) this.#target.notice(whole);
    if (this.pending.settle(frame)) this.#target.waiting();
    const pong = dataOf(frame, "pong");
    if (pong && pong.last_seq > this.position) this.#attach();
  }

  /** Ask for what is behind the position: once, for where that brings nothing (a plain chat leaves steps out) no more would. */
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
      this.#heard = false;
      this.#showTimer = this.#clock.after(SHOW_EVERY, () => this.#showPart());
    }
  }

  #showPart(): void {
    this.#showTimer = null;
    this.#target.settled();
    if (this.#heard) this.#show();
    else this.#goal = 0; // what is behind is not meant for us
  }

  // Own messages, and whether the server is there

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
    this.#asking = false;
    this.#beatTimer?.();
    this.#beatTimer = this.#clock.after(PING_EVERY, () => this.#ping());
  }

  #ping(): void {
    this.#beatTimer?.();
    this.#asking = true;
    this.#wire.post({ type: "ping", payload: {} });
    this.#beatTimer = this.#clock.after(ANSWER_WITHIN, () => {
      this.#wire.hangUp();
      this.lost(0, trans.__("The server no longer answers."));
    });
  }

  #stopTimers(): void {
    this.#asking = false;
    for (const stop of [this.#retryTimer, this.#beatTimer, this.#showTimer]) stop?.();
    this.#retryTimer = this.#beatTimer = this.#showTimer = null;
  }
}

function longest({ payload }: ClientMessage): number {
  return Array.isArray((payload as Partial<ChatPayload>).message) ? MAX_CHAT_BYTES : MAX_CLIENT_FRAME_BYTES;
}

function size(message: ClientMessage): number {
  return new TextEncoder().encode(JSON.stringify(message)).length;
}
