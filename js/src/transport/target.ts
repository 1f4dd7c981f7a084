// What lies at the two ends of a transport: what it serves, usually the store, and what that sends through.

import type { Outcome } from "../protocol/fold.ts";
import type { ClientPayloads, ClientType, Frame } from "../protocol/frames.ts";
import type { SavePayload } from "../protocol/messages.ts";
import type { Pending } from "./outbox.ts";

/** What a transport serves: usually the store. */
export interface Target {
  /** The log begins anew: forget what the old one said. */
  startOver(epoch: string): void;
  /** Fold an event, a delta or a `session` frame. */
  fold(frame: Frame): Outcome;
  /** Take a frame that is no part of the transcript. */
  notice(frame: Frame): void;
  /** What came is folded: show it. */
  settled(): void;
  /** Own messages have begun or ceased to wait. */
  waiting(): void;
  /** Whether a run is on, so that silence may mean loss. */
  running(): boolean;
  /** The optional modules this page has. */
  modules(): string[];
}

/** What a page with a notebook says to the kernel, for no server writes one. */
export interface Notebook {
  /** The page shares the notebook with others, and is there. */
  enter(page: string): void;
  /** It goes. */
  leave(page: string): void;
  /** It wants what is to be kept of the session, or of one message. */
  save(wish: SavePayload): void;
}

/** What the store sends through. */
export interface Sender extends Notebook {
  /** The own messages that are not acknowledged, oldest first. */
  readonly pending: ReadonlyMap<string, Pending>;
  /** The log that is followed; null until one is known. */
  readonly epoch: string | null;
  /** Whether a message has waited for so long that the kernel must be busy. */
  readonly late: boolean;
  /** Send a message of the person's; it stays `pending` until it is acknowledged or refused. Returns its id. */
  send<T extends ClientType>(type: T, payload: ClientPayloads[T]): string;
}

/** How it stands with a connection that may break. */
export type Connection =
  | { state: "connecting" | "open" | "deleted" }
  /** The person has closed it. */
  | { state: "closed" }
  /** It broke, and is tried again in so many `seconds`. */
  | { state: "waiting"; seconds: number; reason: string }
  /** It broke, and is not tried again by itself. */
  | { state: "resting"; reason: string };

/** A sender whose connection the person can see, open and close. */
export interface Connected extends Sender {
  readonly connection: Connection;
  /** Connect now, and begin to count the tries anew. */
  connect(): void;
  /** Close the connection until `connect`. */
  disconnect(): void;
}
