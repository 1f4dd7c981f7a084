// Gives components their store, and draws them again when something they show has changed.

import { createContext } from "preact";
import { useContext, useLayoutEffect, useReducer } from "preact/hooks";
import type { Store } from "../store/store.ts";
import type { Topic } from "../store/topics.ts";

/** The store of the components below it. */
export const StoreContext = createContext<Store | null>(null);

/** The store of the component's chat. The component is drawn again when one of `topics` changes. */
export function useStore(...topics: Topic[]): Store {
  const store = useContext(StoreContext);
  if (store === null) throw new Error("This component is not inside a StoreContext");
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useLayoutEffect(() => {
    const ends = topics.map((topic) => store.on(topic, () => redraw(undefined)));
    return () => {
      for (const end of ends) end();
    };
  }, [store, ...topics]);
  return store;
}
