// The messages that this page has sent and that are not acknowledged yet.

import { type ClientMessage, type ClientPayloads, type ClientType, dataOf, type Frame } from "../protocol/frames.ts";

/** A sent message that is not acknowledged yet. */
export interface Pending {
  message: ClientMessage;
  /** When it was sent, in ms of the transport's clock. */
  sentAt: number;
}

/** The unacknowledged messages by id, oldest first. */
export class Outbox extends Map<string, Pending> {
  /** Create a message, and keep it until it is settled. */
  put<T extends ClientType>(type: T, payload: ClientPayloads[T], sentAt: number): ClientMessage & { id: string } {
    const message = { type, id: newId(), payload };
    this.set(message.id, { message, sentAt });
    return message;
  }

  /** Remove the message that `frame` acknowledges or refuses. Returns whether there was one. */
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
