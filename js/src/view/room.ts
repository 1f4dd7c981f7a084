// The height that a host gives to an output: marimo shows so much of it, and scrolls the rest, as JupyterLab does on demand.

/** A chat is at least so high, in CSS pixels: of less there would be nothing but what is written in. */
const LEAST = 300;

/**
 * Keep `chat` within what its host shows of an output, so that the conversation scrolls and the message's field stays in
 * sight. The result ends that.
 */
export function keepWithinRoom(chat: HTMLElement): () => void {
  let frame = 0;
  const observer = new ResizeObserver(() => {
    const box = limitedAncestor(chat);
    const rest = box === null ? 0 : box.scrollHeight - chat.offsetHeight; // what else is in it, and its padding
    const room = box === null ? "" : `${Math.max(LEAST, heightLimit(box) - rest)}px`;
    if (chat.style.maxHeight === room) return;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      chat.style.maxHeight = room; // here and now it would be a loop of the observer's
    });
  });
  observer.observe(chat);
  return () => {
    observer.disconnect();
    cancelAnimationFrame(frame);
  };
}

/** The nearest element around `inner`, also around its shadow tree, that scrolls what is higher than its limit. */
function limitedAncestor(inner: HTMLElement): HTMLElement | null {
  for (let node = parent(inner); node !== null; node = parent(node)) {
    if (Number.isFinite(heightLimit(node)) && /auto|scroll/.test(getComputedStyle(node).overflowY)) return node;
  }
  return null;
}

function parent({ parentElement, parentNode }: HTMLElement): HTMLElement | null {
  return parentElement ?? (parentNode instanceof ShadowRoot ? (parentNode.host as HTMLElement) : null);
}

/** The most that an element may be high, in CSS pixels; NaN where there is no such limit, or one in per cent. */
function heightLimit(element: HTMLElement): number {
  const { maxHeight } = getComputedStyle(element);
  return maxHeight.endsWith("px") ? Number.parseFloat(maxHeight) : Number.NaN;
}
