// Over a comm, attachments are sent as binary buffers beside the message: base64 is a third longer, and Jupyter Server closes
// the connection of a page that sends more than 10 MiB at once.

import type { ClientMessage } from "../protocol/frames.ts";
import type { ChatPayload } from "../protocol/messages.ts";

/** A message without the content of its attachments, and that content, in the same order. */
export function withBuffers(message: ClientMessage): { content: ClientMessage; buffers: ArrayBuffer[] } {
  const { message: parts } = message.payload as Partial<ChatPayload>;
  if (message.type !== "chat" || !Array.isArray(parts)) return { content: message, buffers: [] };
  const buffers: ArrayBuffer[] = [];
  const withoutContent = (address: string): string => {
    const at = address.indexOf(",") + 1;
    buffers.push(Uint8Array.from(atob(address.slice(at)), (character) => character.charCodeAt(0)).buffer);
    return address.slice(0, at);
  };
  const emptied = parts.map((part) => {
    if ("image" in part) return { ...part, image: withoutContent(part.image) };
    return "file" in part ? { ...part, file: withoutContent(part.file) } : part;
  });
  return { content: { ...message, payload: { ...message.payload, message: emptied } } as ClientMessage, buffers };
}
