// What all chats of a page share. Each widget imports its own copy of this code; the copies meet under one symbol.

import type { Attachment } from "./attachments.ts";
import type { Store } from "./store.ts";
import type { Place as Focus } from "./view/focus.ts";
import type { Place } from "./view/follow.ts";

/** What the reader of a log has done to its views. It outlives them: the log is the same, live and saved. */
export interface Reader extends Place {
  /** What they have begun to write. */
  draft: string;
  /** What they have attached to it. */
  attachments: readonly Attachment[];
  /** What they opened (true) or folded (false), by step. */
  toggled: Map<string, boolean>;
  /** Where the focus is, if it is in one of the views. */
  focus: Focus | null;
}

interface Page {
  readers: Map<string, Reader>;
  /** The chats that are connected, by session. */
  chats: Map<string, Store>;
  chatListeners: Set<() => void>;
}

const KEY = Symbol.for("reasoning-widget");

/** Everything that is kept for the page, beginning with `defaults`, which another version's code may not know. */
export function pageWide<T extends object>(defaults: T): T {
  const shared = globalThis as { [KEY]?: Partial<T> };
  shared[KEY] = Object.assign(shared[KEY] ?? {}, { ...defaults, ...shared[KEY] });
  return shared[KEY] as T;
}

function page(): Page {
  return pageWide<Page>({ readers: new Map(), chats: new Map(), chatListeners: new Set() });
}

/** A reader who has done nothing yet. */
export function newReader(): Reader {
  return { draft: "", attachments: [], toggled: new Map(), scrollTop: null, focus: null };
}

/** The reader of a log: the same for all who ask. */
export function readerOf(epoch: string): Reader {
  const { readers } = page();
  const known = readers.get(epoch) ?? newReader();
  known.attachments ??= []; // an earlier version's code knew of none
  readers.set(epoch, known);
  return known;
}

/** The chats that are connected, by session. */
export function connectedChats(): Map<string, Store> {
  return page().chats;
}

/** Make a chat known to the page as the one that is connected to a session. */
export function chatConnected(sessionId: string, store: Store): void {
  const { chats, chatListeners } = page();
  chats.set(sessionId, store);
  for (const listener of [...chatListeners]) listener();
}

/** Call `listener` whenever a chat has been connected; the result ends that. */
export function onChat(listener: () => void): () => void {
  const { chatListeners } = page();
  chatListeners.add(listener);
  return () => chatListeners.delete(listener);
}
