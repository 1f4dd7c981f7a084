import type { VNode } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import type { Store } from "../store.ts";
import { trans } from "../words.ts";
import { useStore } from "./context.ts";

const speaking = new WeakMap<Store, object>();

/** Tells users of screen readers of each step, once: of several views of a chat only the first one speaks. */
export function Announcer(): VNode {
  const store = useStore("announcement");
  const [self] = useState({});
  useLayoutEffect(() => {
    if (!speaking.has(store)) speaking.set(store, self);
    return () => {
      if (speaking.get(store) === self) speaking.delete(store);
    };
  }, [store, self]);
  return (
    <div class="rw-unseen" role="log" aria-live="polite" aria-relevant="additions" aria-label={trans.__("Steps")}>
      {speaking.get(store) === self && store.announcements.map(({ key, text }) => <div key={key}>{text}</div>)}
    </div>
  );
}
