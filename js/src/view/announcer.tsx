import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Store } from "../store/store.ts";
import { trans } from "../translation.ts";
import { useStore } from "./context.ts";

/** The announcers of the views of each chat, in the order in which they were added. */
const announcers = new WeakMap<Store, Set<Element>>();

/**
 * Announces each step to users of screen readers once: if a chat has several views, in the first visible one. When that is
 * removed or hidden, the next one continues without repeating anything.
 */
export function Announcer(): VNode {
  const store = useStore("announcement");
  const self = useRef<HTMLDivElement>(null);
  const latest = store.announcements.list.at(-1)?.key ?? 0;
  const announced = useRef(latest);
  useLayoutEffect(() => {
    const element = self.current as Element;
    const known = announcers.get(store) ?? new Set();
    announcers.set(store, known.add(element));
    return () => void known.delete(element);
  }, [store]);
  if (activeAnnouncer(store) !== self.current) announced.current = latest;
  return (
    <div
      ref={self}
      class="rw-unseen"
      role="log"
      aria-live="polite"
      aria-relevant="additions"
      aria-label={trans.__("Steps")}
    >
      {store.announcements.list.map(({ key, text }) => key > announced.current && <div key={key}>{text}</div>)}
    </div>
  );
}

/** The announcer that is used: the first visible one, because screen readers ignore hidden elements. */
function activeAnnouncer(store: Store): Element | undefined {
  return [...(announcers.get(store) ?? [])].find((one) => one.checkVisibility?.() ?? one.isConnected);
}
