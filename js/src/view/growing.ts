import { useEffect, useState } from "preact/hooks";
import { useStore } from "./context.ts";

/**
 * How many of `total` items to draw, counted from the end: `first` of them at once, for that fills what can be seen, and
 * the others before them, so many `more` at a time, while the page stays free for the reader. Once all are drawn, all are.
 */
export function useGrowing(total: number, first: number, more = first): number {
  const store = useStore();
  // Where the reader was is only found again in the whole.
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

/** The last so many of `items`. */
export function lastOf<T>(items: T[], count: number): T[] {
  return items.slice(Math.max(0, items.length - count));
}
