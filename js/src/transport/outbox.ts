// The own messages that nobody has acknowledged yet.

import { type ClientMessage, type ClientPayloads, type ClientType, dataOf, type Frame } from "../protocol/frames.ts";

/** An own message that is not acknowledged yet. */
export interface Pending {
  message: ClientMessage;
  /** On the transport's clock, in ms. */
  sentAt: number;
}

/** The messages by their ids, oldest first. */
export class Outbox extends Map<string, Pending> {
  /** Keep a new message until it is settled. */
  put<T extends ClientType>(type: T, payload: ClientPayloads[T], sentAt: number): ClientMessage & { id: string } {
    const message = { type, id: newId(), payload };
    this.set(message.id, { message, sentAt });
    return message;
  }

  /** Whether `frame` acknowledges or refuses a message, which then waits no longer. */
  settle(frame: Frame): boolean {
    const id = dataOf(frame, "ack")?.id ?? dataOf(frame, "error")?.id;
    return id !== undefined && this.delete(id);
  }
}

/** A new id, unique in any session. (`randomUUID` is missing on pages that are not served over HTTPS.) */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `p-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
