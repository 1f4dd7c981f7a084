import { Component, type VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { formatDuration, preview, previewMarkdown } from "../format.ts";
import { channelText, isOpen, outputText, type Step } from "../protocol/fold.ts";
import type { Raised } from "../protocol/messages.ts";
import { statusLabel, stepLabel } from "../store/labels.ts";
import type { Store } from "../store/store.ts";
import { trans } from "../translation.ts";
import { RunningClock } from "./clock.tsx";
import { useStore } from "./context.ts";
import { CopyButton, textOf } from "./copy.tsx";
import { followEnd } from "./follow.ts";
import { StepIcon } from "./icons.tsx";
import { MarkdownBody } from "./markdown.tsx";
import { CutNote, PlainText } from "./text.tsx";
import { ToolArguments, ToolResult } from "./tool.tsx";
import "./card.css";

/** The card of a step, drawn again only when the step changes. */
export class Card extends Component<{ id: string }> {
  override shouldComponentUpdate(next: { id: string }): boolean {
    return next.id !== this.props.id;
  }

  override render(): VNode {
    return <StepCard id={this.props.id} />;
  }
}

function StepCard({ id }: { id: string }): VNode | null {
  const store = useStore(`step:${id}`);
  const step = store.step(id);
  if (!step) return null;
  const open = isUnfolded(store, id, step);
  const name = store.stepName(id);
  const toggle = (): void => store.toggle(id, !open);
  return (
    <article
      class={`rw-card ${step.parent_id ? "rw-nested" : ""}`}
      aria-label={name}
      data-step-type={step.type}
      data-step-id={id}
      data-status={step.status ?? "done"}
    >
      <div class="rw-card-head">
        <button type="button" class="rw-fold" aria-expanded={open} aria-label={name} onClick={toggle}>
          <StepIcon type={step.type} open={open} />
          <span class="rw-word">{stepLabel(step.type)}</span>
        </button>
        {step.tool && <code class="rw-tool-name">{step.tool.name}</code>}
        <span class="rw-preview">{open ? "" : summary(step)}</span>
        {((step.status === "failed" && step.type !== "error") || step.status === "stopped") && (
          <span class="rw-badge">{statusLabel(step.status)}</span>
        )}
        {isOpen(step) ? (
          <RunningClock start={step.timestamp} />
        ) : (
          step.duration !== undefined && <span class="rw-duration">{formatDuration(step.duration)}</span>
        )}
        <CopyButton label={copyLabel(step.type, store.stepNumber(id))} text={() => textOf(store.step(id) ?? step)} />
      </div>
      {open && <CardBody id={id} step={step} />}
    </article>
  );
}

function CardBody({ id, step }: { id: string; step: Step }): VNode {
  const live = isOpen(step) && step.type !== "final_answer";
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!live || !scroller.current || !content.current) return;
    const follower = followEnd(scroller.current, content.current);
    return () => follower.close();
  }, [live]);
  return (
    <div class={live ? "rw-card-body rw-live" : "rw-card-body"} ref={scroller}>
      <div ref={content}>
        <Content id={id} step={step} />
        <CutNote characters={step.cut?.content} />
      </div>
    </div>
  );
}

function Content({ id, step }: { id: string; step: Step }): VNode {
  if (step.type === "tool_use") return <ToolArguments id={id} step={step} />;
  if (step.type === "tool_result") return <ToolResult id={id} step={step} />;
  if (step.type === "error") {
    return (
      <>
        <PlainText text={channelText(step, "content")} prose />
        {step.raised && <WhereRaised {...step.raised} />}
      </>
    );
  }
  return <MarkdownBody id={id} />;
}

/** Where an exception was raised, with a traceback that can be unfolded. */
function WhereRaised({ where, traceback }: Raised): VNode {
  return (
    <details class="rw-raised">
      <summary>{trans.__("Raised at %1", String(where))}</summary>
      <PlainText text={String(traceback)} />
    </details>
  );
}

/** Whether a card is open: as the reader chose; by default, if the step is running, is an answer, or went wrong. */
function isUnfolded(store: Store, id: string, step: Step): boolean {
  if (store.found !== null) return true;
  const chosen = store.reader.toggled.get(id);
  if (chosen !== undefined) return chosen;
  if (step.type === "final_answer" || step.type === "error") return true;
  return isOpen(step) || step.status === "failed" || step.status === "stopped";
}

function summary(step: Step): string {
  if (step.type === "tool_use") return preview(channelText(step, "arguments"));
  if (step.type === "tool_result") return preview(channelText(step, "content") || outputText(step));
  return previewMarkdown(channelText(step, "content"));
}

/** The label of a step's copy button: a sentence for each type, because grammar differs between languages. */
function copyLabel(type: string, number: number): string {
  switch (type) {
    case "thought":
      return trans.__("Copy thought, step %1", number);
    case "tool_use":
      return trans.__("Copy tool use, step %1", number);
    case "tool_result":
      return trans.__("Copy tool result, step %1", number);
    case "final_answer":
      return trans.__("Copy final answer, step %1", number);
    case "error":
      return trans.__("Copy error, step %1", number);
    default:
      return trans.__("Copy %1, step %2", stepLabel(type), number);
  }
}
