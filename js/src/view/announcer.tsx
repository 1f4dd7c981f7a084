import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Store } from "../store/store.ts";
import { trans } from "../translation.ts";
import { useStore } from "./context.ts";

/** The announcers of each chat's views, in the order in which they came. */
const announcers = new WeakMap<Store, Set<Element>>();

/**
 * Tells users of screen readers of each step, once: of several views of a chat the first one that is to be seen speaks.
 * When it goes, or is hidden, the next one goes on, and repeats nothing.
 */
export function Announcer(): VNode {
  const store = useStore("announcement");
  const self = useRef<HTMLDivElement>(null);
  const latest = store.announcements.list.at(-1)?.key ?? 0;
  const told = useRef(latest);
  useLayoutEffect(() => {
    const element = self.current as Element;
    const known = announcers.get(store) ?? new Set();
    announcers.set(store, known.add(element));
    return () => void known.delete(element);
  }, [store]);
  if (speaking(store) !== self.current) told.current = latest;
  return (
    <div
      ref={self}
      class="rw-unseen"
      role="log"
      aria-live="polite"
      aria-relevant="additions"
      aria-label={trans.__("Steps")}
    >
      {store.announcements.list.map(({ key, text }) => key > told.current && <div key={key}>{text}</div>)}
    </div>
  );
}

/** The announcer whose turn it is: out of what is hidden a screen reader reads nothing. */
function speaking(store: Store): Element | undefined {
  return [...(announcers.get(store) ?? [])].find((one) => one.checkVisibility?.() ?? one.isConnected);
}
