import type { VNode } from "preact";
import { formatClock } from "../format.ts";
import { useStore } from "./context.ts";

/**
 * The running time since `start`, which is in seconds of the session's clock.
 *
 * Its light changes once a second: an animation would repaint the page with each frame, which delays tokens.
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
