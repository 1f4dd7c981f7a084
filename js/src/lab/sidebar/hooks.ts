// A hook for state that is not in a store.

import type { ISignal } from "@lumino/signaling";
import { useLayoutEffect, useReducer } from "preact/hooks";

/** Draw the component again whenever `signal` is emitted. */
export function useSignal(signal: ISignal<unknown, unknown>): void {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useLayoutEffect(() => {
    const onEmit = (): void => redraw(undefined);
    signal.connect(onEmit);
    return () => {
      signal.disconnect(onEmit);
    };
  }, [signal]);
}
