import type { VNode } from "preact";
import { useStore } from "./context.ts";
import { formatClock } from "./format.ts";

/** The time since `start`, in seconds of the server's clock, running. */
export function RunningClock({ start }: { start: number }): VNode {
  const store = useStore("clock");
  return (
    <span class="rw-clock" aria-live="off">
      <span class="rw-pulse" />
      {formatClock(store.now() - start)}
    </span>
  );
}
