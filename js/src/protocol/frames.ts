// The messages by their type on the wire. Their contents are generated, in messages.ts.

import type { ClientPayloads, EVENT_TYPES, ServerData } from "./messages.ts";

export type { Batch, ClientPayloads, Frame, ServerData } from "./messages.ts";
export { EVENT_TYPES } from "./messages.ts";

/** What a notebook holds of a session. */
export const SESSION_MIME = "application/vnd.reasoning-widget.session.v1+json";

/** The type of a message that a client sends. */
export type ClientType = keyof ClientPayloads;

/** A message to the server. */
export interface ClientMessage<T extends ClientType = ClientType> {
  type: T;
  id?: string;
  payload: ClientPayloads[T];
}

/** The type of a frame that a server or kernel sends. */
export type ServerType = keyof ServerData;

/** The data of `frame`, if that is its type. */
export function dataOf<T extends ServerType>(frame: { type: string; data: unknown }, type: T): ServerData[T] | null {
  return frame.type === type ? (frame.data as ServerData[T]) : null;
}

/** The type of a frame that is logged. */
export type EventType = (typeof EVENT_TYPES)[number];
