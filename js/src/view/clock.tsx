import type { VNode } from "preact";
import { formatClock } from "../format.ts";
import { useStore } from "./context.ts";

/**
 * The time since `start`, in seconds of the server's clock, running.
 *
 * Its light changes with the seconds: an animation would have the page painted at each frame, and the tokens wait for it.
 */
export function RunningClock({ start }: { start: number }): VNode {
  const store = useStore("clock");
  const seconds = store.clock.now() - start;
  return (
    <span class="rw-clock" aria-live="off">
      <span class={Math.floor(seconds) % 2 === 0 ? "rw-pulse" : "rw-pulse rw-pulse-low"} />
      {formatClock(seconds)}
    </span>
  );
}
