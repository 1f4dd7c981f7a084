// The two ends of a transport: the target that receives, usually the store, and the sender that it sends through.

import type { Outcome } from "../protocol/fold.ts";
import type { ClientPayloads, ClientType, Frame } from "../protocol/frames.ts";
import type { SavePayload } from "../protocol/messages.ts";
import type { Pending } from "./outbox.ts";

/** Receives what a transport brings: usually the store. */
export interface Target {
  /** A new log begins: drop the state of the old one. */
  startOver(epoch: string): void;
  /** Fold an event, a delta or a `session` frame. */
  fold(frame: Frame): Outcome;
  /** Handle a frame that is not part of the transcript. */
  notice(frame: Frame): void;
  /** All frames received so far are folded: show the result. */
  settled(): void;
  /** The set of unacknowledged messages has changed. */
  waiting(): void;
  /** Whether a run is active, so that silence may mean a lost connection. */
  running(): boolean;
  /** The names of the optional modules that this page has. */
  modules(): string[];
}

/** Messages about the notebook. They go to the kernel, also if the session is on a server. */
export interface Notebook {
  /** The page joins those that share the notebook. */
  enter(page: string): void;
  /** The page leaves them. */
  leave(page: string): void;
  /** The page requests what the notebook should save of the session or of one message. */
  save(request: SavePayload): void;
}

/** The connection that the store sends through. */
export interface Sender extends Notebook {
  /** The messages from here that are not acknowledged, oldest first. */
  readonly pending: ReadonlyMap<string, Pending>;
  /** The epoch of the log; null until it is known. */
  readonly epoch: string | null;
  /** Whether a message has waited for so long that the kernel must be busy. */
  readonly late: boolean;
  /** Send a message, which is `pending` until it is acknowledged or refused. Returns its id. */
  send<T extends ClientType>(type: T, payload: ClientPayloads[T]): string;
}

/** The state of a connection that may break. */
export type Connection =
  | { state: "connecting" | "open" | "deleted" }
  /** Closed by the person. */
  | { state: "closed" }
  /** Broken; the next attempt is in `seconds`. */
  | { state: "waiting"; seconds: number; reason: string }
  /** Broken, without further automatic attempts. */
  | { state: "resting"; reason: string };

/** A sender whose connection the person can see, open and close. */
export interface Connected extends Sender {
  readonly connection: Connection;
  /** Connect now, and reset the count of attempts. */
  connect(): void;
  /** Close the connection until `connect`. */
  disconnect(): void;
}
