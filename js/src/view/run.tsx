import { Fragment, type VNode } from "preact";
import { formatDuration, formatNumber, stepsInWords } from "../format.ts";
import type { Run, Step } from "../protocol/fold.ts";
import type { Usage } from "../protocol/messages.ts";
import { QUIET_AFTER } from "../store/session-clock.ts";
import type { Store } from "../store/store.ts";
import { trans } from "../translation.ts";
import { Card } from "./card.tsx";
import { RunningClock } from "./clock.tsx";
import { useStore } from "./context.ts";
import { lastOf, useProgressive } from "./progressive.ts";
import { RequestCard } from "./request.tsx";
import "./run.css";

/** The number of cards that are drawn at once. */
const BATCH = 30;
/** A run with more cards is laid out only where it is visible. */
const LONG_RUN = 100;

/** The steps and requests of a run, and its status. */
export function RunView({ id }: { id: string }): VNode | null {
  const store = useStore(`run:${id}`);
  const run = store.run(id);
  const shown = useProgressive(run?.steps.length ?? 0, BATCH);
  if (!run) return null;
  const asked = requestsByStep(store, run);
  return (
    <div class={`rw-run ${run.steps.length > LONG_RUN ? "rw-long" : ""}`} data-run-id={id} data-run-status={run.status}>
      {shown >= run.steps.length && asked.get(null)}
      {lastOf(
        run.steps.filter((step) => isShown(store, run, step) || asked.has(step)),
        shown,
      ).map((step) => (
        <Fragment key={step}>
          {isShown(store, run, step) && <Card id={step} />}
          {asked.get(step)}
        </Fragment>
      ))}
      <RunFooter run={run} />
    </div>
  );
}

/** The requests of a run, by the step that they follow or are about; null for those before all steps. */
function requestsByStep(store: Store, run: Run): Map<string | null, VNode[]> {
  const cards = new Map<string | null, VNode[]>();
  for (const request of store.requests(run.run_id)) {
    const named = run.steps.some((id) => id === request.step_id);
    const when = request.timestamp || (named ? -Infinity : Infinity); // missing in some files
    const begun =
      run.steps.findLast((id) => id === request.step_id || (store.step(id)?.timestamp ?? 0) <= when) ?? null;
    cards.set(begun, [...(cards.get(begun) ?? []), <RequestCard key={request.request_id} request={request} />]);
  }
  return cards;
}

/** Whether a step is shown: without reasoning, only answers and errors are. */
export function isShown(store: Store, run: Run, id: string): boolean {
  const step = store.step(id);
  if (!step || store.found?.has(id) === false) return false;
  return run.enable_reasoning || step.type === "final_answer" || step.type === "error" || step.status === "failed";
}

function statusInWords(status: Run["status"]): string {
  const words: Record<Run["status"], string> = {
    running: trans.__("Working"),
    completed: trans.__("Completed"),
    stopped: trans.__("Stopped"),
    failed: trans.__("Failed"),
    interrupted: trans.__("Interrupted"),
    max_iterations: trans.__("Out of iterations"),
  };
  return words[status];
}

function RunFooter({ run }: { run: Run }): VNode {
  const store = useStore(...run.steps.slice(-1).map((id) => `step:${id}` as const));
  const steps = run.steps.map((id) => store.step(id)).filter((step) => step !== undefined);
  const running = run.status === "running";
  const away = running && store.awaySince !== null;
  const stopping = running && store.stopping(run.run_id);
  const rounds = iterations(steps);
  return (
    <div class="rw-run-footer">
      <span class="rw-status">
        {away ? trans.__("No connection") : stopping ? trans.__("Stopping") : statusInWords(run.status)}
      </span>
      <span>{run.agent_name}</span>
      {steps.length > 0 && <span>{stepsInWords(steps.length)}</span>}
      {steps.length > 0 && <span>{trans._n("%2 iteration", "%2 iterations", rounds, formatNumber(rounds))}</span>}
      {run.usage && <Tokens usage={run.usage} />}
      {running && !away ? (
        <RunningClock start={run.timestamp} />
      ) : (
        run.duration !== null && <span class="rw-duration">{formatDuration(run.duration)}</span>
      )}
      {away ? <AwayNote /> : running && <QuietNote />}
    </div>
  );
}

function iterations(steps: Step[]): number {
  return steps.reduce((most, step) => Math.max(most, step.iteration), 0);
}

export function Tokens({ usage }: { usage: Usage }): VNode | null {
  const words = tokensInWords(usage);
  return words === "" ? null : <span title={trans.__("Tokens read and written by the model")}>{words}</span>;
}

/** "1,200 → 30 tokens"; empty if they were not counted. */
export function tokensInWords({ input_tokens: read, output_tokens: written }: Usage): string {
  if (read === undefined && written === undefined) return "";
  return trans.__("%1 → %2 tokens", formatNumber(read ?? 0), formatNumber(written ?? 0));
}

/** Explains the state of a run without a connection. */
function AwayNote(): VNode {
  const store = useStore();
  const since = new Date(store.awaySince ?? Date.now()).toLocaleTimeString();
  return (
    <div class="rw-quiet-note" role="status">
      {store.disconnected
        ? trans.__("The kernel stopped at %1, and with it the run. The steps until then are above.", since)
        : trans.__("No connection since %1. The agent may continue: its steps appear after reconnecting.", since)}
    </div>
  );
}

function QuietNote(): VNode | null {
  const store = useStore("clock");
  if (!store.quiet) return null;
  return (
    <div class="rw-quiet-note" role="status">
      {trans.__(
        "Nothing for %1 s. Press Stop to end the run; if a cell keeps the kernel busy, interrupt the kernel.",
        QUIET_AFTER,
      )}
    </div>
  );
}
