// How the sidebar's components follow what is not in a store.

import type { ISignal } from "@lumino/signaling";
import { useLayoutEffect, useReducer } from "preact/hooks";

/** Draw the component again whenever `signal` is emitted. */
export function useSignal(signal: ISignal<unknown, unknown>): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useLayoutEffect(() => {
    const heard = (): void => redraw(undefined);
    signal.connect(heard);
    return () => {
      signal.disconnect(heard);
    };
  }, [signal]);
}
