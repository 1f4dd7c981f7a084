// Search in a saved transcript: only the cards and prompts with matches are shown, unfolded, and the matches are highlighted.
// Highlighting does not change the nodes of the page, and after the search all cards are folded as before.

import { channelText, outputText, type Step } from "../protocol/fold.ts";
import { attachmentsOfMessage, textOfMessage } from "../store/attachments.ts";
import type { Store } from "../store/store.ts";

const MARK = "rw-found";
/** The maximum number of highlighted matches. */
const MAX_MATCHES = 5000;

/** The ids of the steps and prompts that contain `words`; null if `words` is blank. */
export function matching(store: Store, words: string): Set<string> | null {
  const wanted = words.trim().toLowerCase();
  if (wanted === "") return null;
  const { steps, messages } = store.transcript;
  const found = new Set<string>();
  for (const message of messages) {
    // The names of images that are shown are not visible.
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
  if (step.type === "tool_use") texts.push(channelText(step, "arguments")); // not shown in the card of the result
  return texts.join("\n");
}

/** The occurrences of `words` in the text below `root`, in order. */
export function occurrences(root: HTMLElement, words: string): Range[] {
  const wanted = words.trim().toLowerCase();
  const found: Range[] = [];
  if (wanted === "") return found;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null && found.length < MAX_MATCHES; node = walker.nextNode()) {
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

const highlighted = new Map<object, { ranges: Range[]; current: Range | undefined }>();

/** Highlight the matches of `owner`, in place of its earlier ones. */
export function highlight(owner: object, ranges: Range[], current: Range | undefined): void {
  if (ranges.length === 0) highlighted.delete(owner);
  else highlighted.set(owner, { ranges, current });
  if (typeof Highlight === "undefined") return; // not supported by older browsers
  const all = [...highlighted.values()];
  CSS.highlights.set(MARK, new Highlight(...all.flatMap((each) => each.ranges)));
  CSS.highlights.set(`${MARK}-now`, new Highlight(...all.flatMap(({ current }) => current ?? [])));
}
