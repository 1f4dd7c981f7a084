// The connected chats of the page, by session. The lab extension finds the stores of the widgets here.

import { pageWide } from "../page-wide.ts";
import type { Transcript } from "../protocol/fold.ts";
import type { Frame } from "../protocol/frames.ts";
import type { Connection } from "../transport/target.ts";

/** What the lab extension uses of a widget's store. The two may be of different versions: do not change these members. */
export interface ConnectedChat {
  readonly transcript: Transcript;
  readonly log: readonly Frame[];
  readonly disconnected: boolean;
  readonly connection: Connection | null;
  readonly page: string | null;
  readonly bundles: ReadonlyMap<string | null, Record<string, unknown>>;
  on(topic: "chat" | "composer" | "bundles", listener: () => void): () => void;
  running(): boolean;
  away(away: boolean): void;
  blobs(): Record<string, unknown>;
  enter(page: string): void;
  leave(): void;
  writes(ranBy: string | undefined): boolean;
  save(messageId: string | null, ranBy?: string): void;
}

interface Page {
  chats: Map<string, ConnectedChat>;
  chatListeners: Set<() => void>;
}

function page(): Page {
  return pageWide<Page>({ chats: new Map(), chatListeners: new Set() });
}

/** The connected chats, by session. */
export function connectedChats(): Map<string, ConnectedChat> {
  return page().chats;
}

/** Register the chat that is connected to a session, in place of an earlier one. */
export function chatConnected(sessionId: string, chat: ConnectedChat): void {
  const { chats, chatListeners } = page();
  chats.set(sessionId, chat);
  for (const listener of [...chatListeners]) listener();
}

/** Call `listener` whenever a chat has been connected, until the returned function is called. */
export function onChat(listener: () => void): () => void {
  const { chatListeners } = page();
  chatListeners.add(listener);
  return () => chatListeners.delete(listener);
}
