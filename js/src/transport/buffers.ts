// What is attached to a message goes over a comm as bytes, beside the message: in base64 it is a third longer, and Jupyter
// Server ends the connection of a page that sends it more than 10 MiB at once.

import type { ClientMessage } from "../protocol/frames.ts";
import type { ChatPayload } from "../protocol/messages.ts";

/** A message without the content of what is attached to it, and that content, in order. */
export function withBuffers(message: ClientMessage): { content: ClientMessage; buffers: ArrayBuffer[] } {
  const { message: parts } = message.payload as Partial<ChatPayload>;
  if (message.type !== "chat" || !Array.isArray(parts)) return { content: message, buffers: [] };
  const buffers: ArrayBuffer[] = [];
  const taken = (address: string): string => {
    const at = address.indexOf(",") + 1;
    buffers.push(Uint8Array.from(atob(address.slice(at)), (character) => character.charCodeAt(0)).buffer);
    return address.slice(0, at);
  };
  const emptied = parts.map((part) => {
    if ("image" in part) return { ...part, image: taken(part.image) };
    return "file" in part ? { ...part, file: taken(part.file) } : part;
  });
  return { content: { ...message, payload: { ...message.payload, message: emptied } } as ClientMessage, buffers };
}
