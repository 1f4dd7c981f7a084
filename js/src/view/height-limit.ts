// The height limit of outputs: marimo limits every output and scrolls the rest, JupyterLab does so on demand.

/** The minimum height of a chat in CSS pixels, below which little more than the composer would be visible. */
const MIN_HEIGHT = 300;
/** The ancestors' styles are read at most this often while a chat grows, in ms: reading all of them is expensive. */
const SEARCH_EVERY = 1000;

/**
 * Limit the height of `chat` to what its host shows of an output, so that the conversation scrolls and the composer stays
 * visible, until the returned function is called.
 */
export function limitHeight(chat: HTMLElement): () => void {
  let frame = 0;
  let box: HTMLElement | null = null;
  let width = Number.NaN;
  let searchedAt = 0;
  const observer = new ResizeObserver(() => {
    // A scrollbar that appears or disappears changes the width, and so does a chat that was hidden.
    const stale = chat.offsetWidth !== width || performance.now() - searchedAt >= SEARCH_EVERY;
    if (stale || (box !== null && Number.isNaN(heightLimit(box)))) {
      box = limitedAncestor(chat);
      width = chat.offsetWidth;
      searchedAt = performance.now();
    }
    const rest = box === null ? 0 : box.scrollHeight - chat.offsetHeight; // its other content, and its padding
    const limit = box === null ? "" : `${Math.max(MIN_HEIGHT, heightLimit(box) - rest)}px`;
    if (chat.style.maxHeight === limit) return;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      chat.style.maxHeight = limit; // not at once: that would notify the observer in a loop
    });
  });
  observer.observe(chat);
  return () => {
    observer.disconnect();
    cancelAnimationFrame(frame);
  };
}

/** The nearest ancestor, also outside the shadow tree, that limits its height and scrolls. */
function limitedAncestor(inner: HTMLElement): HTMLElement | null {
  for (let node = parent(inner); node !== null; node = parent(node)) {
    if (Number.isFinite(heightLimit(node)) && /auto|scroll/.test(getComputedStyle(node).overflowY)) return node;
  }
  return null;
}

function parent({ parentElement, parentNode }: HTMLElement): HTMLElement | null {
  return parentElement ?? (parentNode instanceof ShadowRoot ? (parentNode.host as HTMLElement) : null);
}

/** The maximum height of an element in CSS pixels; NaN if it has none, or one in per cent. */
function heightLimit(element: HTMLElement): number {
  const { maxHeight } = getComputedStyle(element);
  return maxHeight.endsWith("px") ? Number.parseFloat(maxHeight) : Number.NaN;
}
