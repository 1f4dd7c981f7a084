// The names of steps, requests and statuses in the person's language.

import type { Request } from "../protocol/fold.ts";
import { trans } from "../translation.ts";

/** The name of a step type; a type of a later protocol version is shown under its own name. */
export function stepLabel(type: string): string {
  switch (type) {
    case "thought":
      return trans.__("Thought");
    case "tool_use":
      return trans.__("Tool use");
    case "tool_result":
      return trans.__("Tool result");
    case "final_answer":
      return trans.__("Final answer");
    case "error":
      return trans.__("Error");
    default:
      return type.replace(/_/g, " ");
  }
}

/** The name of a kind of request. */
export function requestLabel(kind: string): string {
  return kind === "approval" ? trans.__("Approval requested") : trans.__("Question requested");
}

/** A request as it is announced: its name and the beginning of its prompt. */
export function requestAnnouncement({ kind, prompt }: Pick<Request, "kind" | "prompt">): string {
  return `${requestLabel(kind)}: ${prompt.slice(0, 500)}`;
}

/** The name of the final status of a step. */
export function statusLabel(status: string): string {
  if (status === "failed") return trans.__("failed");
  return status === "stopped" ? trans.__("stopped") : status;
}
