import { Component, type VNode } from "preact";
import { isOpen, type Run } from "../protocol/fold.ts";
import type { Usage } from "../protocol/messages.ts";
import { trans } from "../words.ts";
import { useStore } from "./context.ts";
import { cardOf } from "./focus.ts";
import { formatDuration, stepsInWords } from "./format.ts";
import { isShown, Tokens, tokensInWords } from "./run.tsx";
import "./timeline.css";

interface Span {
  run: Run;
  /** Where it begins on the axis, in seconds: between two runs no time passes. */
  begin: number;
  steps: string[];
}

/** When each step began and how long it took, the model's time above the tools'; and what all of it came to. */
export function Timeline({ messageId }: { messageId: string | null }): VNode | null {
  const store = useStore("chat", "clock");
  const runs = store.transcript.runs.filter((run) => messageId === null || run.message_id === messageId);
  useStore(...runs.slice(-1).map((run) => `run:${run.run_id}`));
  let total = 0;
  const spans: Span[] = runs.map((run) => {
    const begin = total;
    total += seconds(run.duration ?? store.now() - run.timestamp);
    return { run, begin, steps: run.steps.filter((step) => isShown(store, run, step)) };
  });
  const steps = spans.reduce((sum, span) => sum + span.steps.length, 0);
  if (steps === 0) return null;
  const label = trans.__("Timeline: %1, %2", stepsInWords(steps), formatDuration(total));
  return (
    <div class="rw-timeline">
      <svg
        class="rw-axis"
        viewBox={`0 0 ${Math.max(total, 0.001)} 24`}
        preserveAspectRatio="none"
        role="img"
        aria-label={label}
      >
        {spans.map(({ run, begin, steps }) => (
          <g key={run.run_id}>
            {steps.map((id) => (
              <Bar key={id} id={id} at={begin - run.timestamp} />
            ))}
          </g>
        ))}
      </svg>
      {messageId === null && (
        <span class="rw-summary">
          <span>{stepsInWords(steps)}</span>
          <Tokens usage={sum(runs)} />
          <span>{formatDuration(total)}</span>
        </span>
      )}
    </div>
  );
}

/** A step's bar, drawn again only when the step has changed. */
class Bar extends Component<{ id: string; at: number }> {
  override shouldComponentUpdate(next: { id: string; at: number }): boolean {
    return next.id !== this.props.id || next.at !== this.props.at;
  }

  override render(): VNode {
    return <StepBar {...this.props} />;
  }
}

function StepBar({ id, at }: { id: string; at: number }): VNode | null {
  const store = useStore(`step:${id}`);
  const step = store.step(id);
  const growing = step !== undefined && isOpen(step);
  useStore(...(growing ? ["clock"] : []));
  if (!step) return null;
  const duration = seconds(growing ? store.now() - step.timestamp : (step.duration ?? 0));
  const usage = step.usage ? ` · ${tokensInWords(step.usage)}` : "";
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a short cut for the mouse; the keyboard reaches the cards themselves
    <rect
      class={`rw-bar rw-bar-${step.type}`}
      x={seconds(at + step.timestamp)}
      y={step.type === "tool_result" ? 13 : 2}
      width={duration}
      height={9}
      onClick={(event) => goTo(event.currentTarget, id)}
    >
      <title>{`${store.stepName(id)} · ${formatDuration(duration)}${usage}`}</title>
    </rect>
  );
}

function goTo(bar: Element, id: string): void {
  const card = cardOf(bar.closest(".rw-chat") as Element, id);
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
