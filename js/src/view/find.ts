// Finding words in a transcript that is read: only the cards and questions that have them are shown, open, and the words
// are marked. Nothing in the page is changed for the marks, and what the reader had folded is as before afterwards.

import { channelText, outputText, type Step } from "../protocol/fold.ts";
import { attachmentsOfMessage, textOfMessage } from "../store/attachments.ts";
import type { Store } from "../store/store.ts";

const MARK = "rw-found";
/** So many places are marked. */
const MOST = 5000;

/** The ids of the steps, and of the questions, that have `words`; null: nothing is looked for. */
export function matching(store: Store, words: string): Set<string> | null {
  const wanted = words.trim().toLowerCase();
  if (wanted === "") return null;
  const { steps, messages } = store.transcript;
  const found = new Set<string>();
  for (const message of messages) {
    // An image that is shown has no name to be seen.
    const named = attachmentsOfMessage(message).filter((each) => each.kind === "file" || !store.values.contentOf(each));
    const texts = [textOfMessage(message), ...named.map(({ name }) => name)];
    if (texts.join("\n").toLowerCase().includes(wanted)) found.add(message.id);
  }
  for (const [id, step] of Object.entries(steps)) if (textOf(step).toLowerCase().includes(wanted)) found.add(id);
  return found;
}

function textOf(step: Step): string {
  const texts = [channelText(step, "content"), outputText(step)];
  if (step.tool) texts.push(step.tool.name);
  if (step.type === "tool_use") texts.push(channelText(step, "arguments")); // the result's card does not show them again
  return texts.join("\n");
}

/** Where `words` stand in what is drawn below `root`, in order. */
export function places(root: HTMLElement, words: string): Range[] {
  const wanted = words.trim().toLowerCase();
  const found: Range[] = [];
  if (wanted === "") return found;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null && found.length < MOST; node = walker.nextNode()) {
    const text = (node as Text).data.toLowerCase();
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, Math.min(at + wanted.length, (node as Text).length));
      found.push(range);
    }
  }
  return found;
}

const marked = new Map<object, { ranges: Range[]; current: Range | undefined }>();

/** Mark what `owner` has found, in place of what it had marked before. */
export function mark(owner: object, ranges: Range[], current: Range | undefined): void {
  if (ranges.length === 0) marked.delete(owner);
  else marked.set(owner, { ranges, current });
  if (typeof Highlight === "undefined") return; // an older browser: found, but not marked
  const all = [...marked.values()];
  CSS.highlights.set(MARK, new Highlight(...all.flatMap((each) => each.ranges)));
  CSS.highlights.set(`${MARK}-now`, new Highlight(...all.flatMap(({ current }) => current ?? [])));
}
