import type { TargetedMouseEvent, VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import { isOpen, type Run, type Step } from "../protocol/fold.ts";
import type { Usage } from "../protocol/messages.ts";
import type { Store } from "../store.ts";
import { trans } from "../words.ts";
import { useStore } from "./context.ts";
import { cardOf } from "./focus.ts";
import { formatDuration, stepsInWords } from "./format.ts";
import { isShown, Tokens, tokensInWords } from "./run.tsx";
import "./timeline.css";

/** A step on the axis, in seconds: between two runs no time passes. */
interface Bar {
  id: string;
  type: Step["type"];
  begin: number;
  length: number;
}

/** How near to a bar the pointer must be, in CSS pixels. */
const NEAR = 4;
/** Where a bar's top is: tools are below the model. */
const top = (type: Step["type"]): number => (type === "tool_result" ? 13 : 2);

/** When each step began and how long it took, the model's time above the tools'; and what all of it came to. */
export function Timeline({ messageId }: { messageId: string | null }): VNode | null {
  const store = useStore("chat", "clock");
  const runs = store.transcript.runs.filter((run) => messageId === null || run.message_id === messageId);
  useStore(...runs.slice(-1).map((run) => `run:${run.run_id}`));
  const bars: Bar[] = [];
  let total = 0;
  for (const run of runs) {
    for (const id of run.steps) {
      const step = store.step(id);
      if (!step || !isShown(store, run, id)) continue;
      const length = seconds(isOpen(step) ? store.now() - step.timestamp : (step.duration ?? 0));
      bars.push({ id, type: step.type, begin: seconds(total + step.timestamp - run.timestamp), length });
    }
    total += seconds(run.duration ?? store.now() - run.timestamp);
  }
  if (bars.length === 0) return null;
  return (
    <div class="rw-timeline">
      <Axis bars={bars} total={total} />
      {messageId === null && (
        <span class="rw-summary">
          <span>{stepsInWords(bars.length)}</span>
          <Tokens usage={sum(runs)} />
          <span>{formatDuration(total)}</span>
        </span>
      )}
    </div>
  );
}

/** The bars, those of a type in one path: a long conversation has thousands. */
function Axis({ bars, total }: { bars: Bar[]; total: number }): VNode {
  const store = useStore();
  const [pointed, point] = useState<string | null>(null);
  const bar = bars.find(({ id }) => id === pointed);
  const paths = useMemo(() => pathsOf(bars), [bars]);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a short cut for the mouse; the keyboard reaches the cards themselves
    <svg
      class={`rw-axis ${bar ? "rw-pointed" : ""}`}
      viewBox={`0 0 ${Math.max(total, 0.001)} 24`}
      preserveAspectRatio="none"
      role="img"
      aria-label={trans.__("Timeline: %1, %2", stepsInWords(bars.length), formatDuration(total))}
      onPointerMove={(event) => point(barAt(event, bars, total))}
      onPointerLeave={() => point(null)}
      onClick={(event) => goTo(event.currentTarget, barAt(event, bars, total))}
    >
      {bar && <title>{inWords(store, bar)}</title>}
      {[...paths].map(([type, path]) => (
        <path key={type} class={`rw-bar rw-bar-${type}`} d={path} />
      ))}
      {bar && <path class={`rw-bar rw-bar-${bar.type}`} d={outline(bar)} />}
    </svg>
  );
}

function pathsOf(bars: Bar[]): Map<string, string> {
  const paths = new Map<string, string>();
  for (const bar of bars) paths.set(bar.type, (paths.get(bar.type) ?? "") + outline(bar));
  return paths;
}

function outline({ type, begin, length }: Bar): string {
  return `M${begin} ${top(type)}h${length}v9h${-length}z`;
}

/** The step whose bar is where the mouse is. */
function barAt(event: TargetedMouseEvent<Element>, bars: Bar[], total: number): string | null {
  const box = event.currentTarget.getBoundingClientRect();
  const perPixel = total / box.width;
  const at = (event.clientX - box.left) * perPixel;
  const below = event.clientY - box.top > box.height / 2;
  let [nearest, found]: [number, string | null] = [NEAR * perPixel, null];
  for (const { id, type, begin, length } of bars) {
    const distance = Math.max(begin - at, at - begin - length, 0);
    if (below === top(type) > 12 && distance <= nearest) [nearest, found] = [distance, id];
  }
  return found;
}

/** "Thought, step 1 · 0.5 s · 900 → 12 tokens" */
function inWords(store: Store, { id, length }: Bar): string {
  const { usage = {} } = store.step(id) ?? {};
  return [store.stepName(id), formatDuration(length), tokensInWords(usage)].filter(Boolean).join(" · ");
}

function goTo(axis: Element, id: string | null): void {
  const card = id === null ? undefined : cardOf(axis.closest(".rw-chat") as Element, id);
  card?.scrollIntoView({ block: "nearest" });
  card?.querySelector<HTMLElement>(".rw-fold")?.focus({ preventScroll: true });
}

/** A span of time, whatever a saved file says. */
function seconds(value: number): number {
  return Number.isFinite(value) ? Math.max(0, value) : 0;
}

function sum(runs: Run[]): Usage {
  const total: Usage = {};
  for (const { usage } of runs) {
    for (const name of ["input_tokens", "output_tokens"] as const) {
      if (usage?.[name] !== undefined) total[name] = (total[name] ?? 0) + usage[name];
    }
  }
  return total;
}
