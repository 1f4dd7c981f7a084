import type { TargetedMouseEvent, VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import { formatDuration, stepsInWords } from "../format.ts";
import { isOpen, type Run, type Step } from "../protocol/fold.ts";
import type { Usage } from "../protocol/messages.ts";
import type { Store } from "../store/store.ts";
import { trans } from "../translation.ts";
import { useStore } from "./context.ts";
import { cardOf } from "./focus.ts";
import { isShown, Tokens, tokensInWords } from "./run.tsx";
import "./timeline.css";

/** A step on the time axis, in seconds. The time between runs is left out. */
interface Bar {
  id: string;
  type: Step["type"];
  begin: number;
  length: number;
  /** The index of its lane: overlapping bars share the height of their row. */
  lane: number;
  /** When the last bar of each of these lanes ends. */
  lanes: number[];
}

/** How close to a bar the pointer must be, in CSS pixels. */
const NEAR = 4;
/** The height of a row in CSS pixels: one for the model, and below it one for tools. */
const ROW = 9;

const isTool = ({ type }: Bar): boolean => type === "tool_result";
const height = ({ lanes }: Bar): number => ROW / lanes.length;
const top = (bar: Bar): number => (isTool(bar) ? 13.5 : 1.5) + bar.lane * height(bar);

/** When each step started and how long it took, the model above the tools; with the totals. */
export function Timeline({ messageId }: { messageId: string | null }): VNode | null {
  const store = useStore("chat", "clock");
  const runs = store.transcript.runs.filter((run) => messageId === null || run.message_id === messageId);
  useStore(...runs.slice(-1).map((run) => `run:${run.run_id}` as const));
  const bars: Bar[] = [];
  let total = 0;
  let end = 0; // of the axis, which contains all steps, even if a run claims to be shorter
  for (const run of runs) {
    const start = end;
    const duration = seconds(run.duration ?? store.clock.now() - run.timestamp);
    total += duration;
    end += duration;
    const calls = new Map<string | undefined, Bar>();
    for (const id of run.steps) {
      const step = store.step(id);
      if (!step || !isShown(store, run, id)) continue;
      const length = seconds(isOpen(step) ? store.clock.now() - step.timestamp : (step.duration ?? 0));
      const begin = start + seconds(step.timestamp - run.timestamp);
      const bar: Bar = { id, type: step.type, begin, length, lane: 0, lanes: [] };
      bars.push(bar);
      end = Math.max(end, begin + length);
      if (step.type === "tool_use") calls.set(step.tool?.call_id, bar);
      // A call may stay open until its result: from the beginning of that, the time is the tool's.
      const call = isTool(bar) && calls.get(step.tool?.call_id);
      if (call) call.length = Math.max(0, Math.min(call.length, begin - call.begin));
    }
  }
  if (bars.length === 0) return null;
  chooseLanes(bars.filter(isTool), end);
  chooseLanes(
    bars.filter((bar) => !isTool(bar)),
    end,
  );
  return (
    <div class="rw-timeline">
      <Axis bars={bars} end={end} total={total} />
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

/** Assign lanes to overlapping bars. Bars and overlaps too short to be visible count as points. */
function chooseLanes(bars: Bar[], end: number): void {
  let lanes: number[] = [];
  for (const bar of bars.sort((one, other) => one.begin - other.begin)) {
    const { begin, length } = bar;
    if (lanes.every((free) => free <= begin)) lanes = [];
    const lane = lanes.findIndex((free) => free <= begin);
    bar.lane = lane < 0 ? lanes.length : lane;
    bar.lanes = lanes;
    lanes[bar.lane] = begin + Math.max(length - end / 1000, end / 4000);
  }
}

/** Draws the bars, with a single path for each type: a long conversation has thousands. */
function Axis({ bars, end, total }: { bars: Bar[]; end: number; total: number }): VNode {
  const store = useStore();
  const [pointed, point] = useState<string | null>(null);
  const bar = bars.find(({ id }) => id === pointed);
  const paths = useMemo(() => pathsOf(bars), [bars]);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a shortcut for the mouse; the keyboard reaches the cards themselves
    <svg
      class={`rw-axis ${bar ? "rw-pointed" : ""}`}
      viewBox={`0 0 ${Math.max(end, 0.001)} 24`}
      preserveAspectRatio="none"
      role="img"
      aria-label={trans.__("Timeline: %1, %2", stepsInWords(bars.length), formatDuration(total))}
      onPointerMove={(event) => point(barAt(event, bars, end))}
      onPointerLeave={() => point(null)}
      onClick={(event) => goTo(event.currentTarget, barAt(event, bars, end))}
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

function outline(bar: Bar): string {
  return `M${bar.begin} ${top(bar)}h${bar.length}v${height(bar)}h${-bar.length}z`;
}

/** The id of the step whose bar is at the pointer, or close to it. */
function barAt(event: TargetedMouseEvent<Element>, bars: Bar[], end: number): string | null {
  const box = event.currentTarget.getBoundingClientRect();
  const x = event.clientX - box.left;
  const y = event.clientY - box.top;
  const scale = box.width / end;
  let [nearest, found]: [number, string | null] = [NEAR, null];
  for (const bar of bars) {
    const { id, begin, length } = bar;
    // Prefer the shorter of two bars: the longer one can be pointed at elsewhere.
    const away = gap(x, begin * scale - 1, length * scale + 2) + gap(y, top(bar), height(bar)) + length / end / 100;
    if (away < nearest) [nearest, found] = [away, id];
  }
  return found;
}

/** The distance of `at` from the interval of length `size` that starts at `begin`. */
function gap(at: number, begin: number, size: number): number {
  return Math.max(begin - at, at - begin - size, 0);
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

/** A valid duration: saved files may contain other values. */
function seconds(value: number): number {
  return value < 1e9 ? Math.max(0, value) : 0;
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
