import { useEffect, useState } from "preact/hooks";
import { useStore } from "./context.ts";

/**
 * The number of items to draw, counted from the end of `total`: `first` at once, which fills the view, then `more` at a time
 * so that the page stays responsive. Once all are drawn, it is infinite.
 */
export function useProgressive(total: number, first: number, more = first): number {
  const store = useStore();
  // The reader's scroll position can only be restored when all items are drawn.
  const [shown, setShown] = useState(
    total <= first || store.reader.scrollTop !== null ? Number.POSITIVE_INFINITY : first,
  );
  useEffect(() => {
    if (shown === Number.POSITIVE_INFINITY) return;
    const timer = setTimeout(() => setShown(shown + more >= total ? Number.POSITIVE_INFINITY : shown + more));
    return () => clearTimeout(timer);
  }, [shown, total, more]);
  return shown;
}

/** The last `count` of `items`. */
export function lastOf<T>(items: T[], count: number): T[] {
  return items.slice(Math.max(0, items.length - count));
}
