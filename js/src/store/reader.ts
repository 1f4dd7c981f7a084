// The reader's own state of a log: draft, open cards, scroll position and focus. It outlives the views.

import { pageWide } from "../page-wide.ts";
import type { Attachment } from "./attachments.ts";

/** The scroll position of a reader. */
export interface ScrollPlace {
  /** The distance from the top in CSS pixels; null at the end, where the view follows new content. */
  scrollTop: number | null;
  /** The first visible child and its offset: in a long transcript the height of what is above is only an estimate. */
  first?: [index: number, below: number];
}

/** The focused element of a view. */
export interface FocusPlace {
  /** The output that contains the view: it stays when the view is replaced. */
  home: Element | null;
  /** The step whose card has the focus. */
  step: string | null;
  /** The index of the control in the card or the view, counted from the end: new content is inserted before the composer. */
  fromEnd: number;
}

/** The state of a reader of one log, shared by its live and saved views. */
export interface Reader extends ScrollPlace {
  /** The unsent text. */
  draft: string;
  /** The attachments of the unsent message. */
  attachments: readonly Attachment[];
  /** The cards that were opened (true) or folded (false), by step. */
  toggled: Map<string, boolean>;
  /** The focused element, if it is in one of the views. */
  focus: FocusPlace | null;
}

/** The initial state of a reader. */
export function newReader(): Reader {
  return { draft: "", attachments: [], toggled: new Map(), scrollTop: null, focus: null };
}

/** The reader of a log: the same object for every view in the page. */
export function readerOf(epoch: string): Reader {
  const { readers } = pageWide<{ readers: Map<string, Reader> }>({ readers: new Map() });
  const known = readers.get(epoch) ?? newReader();
  known.attachments ??= []; // missing in readers that an earlier version made
  readers.set(epoch, known);
  return known;
}
