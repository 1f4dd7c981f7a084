// The difference between two texts by lines.

import { diffLines } from "diff";

/** A line of a difference. */
export interface DiffLine {
  kind: "same" | "added" | "removed";
  text: string;
}

/** The lines of both texts, in the order in which a difference shows them. */
export function linesOf(before: string, after: string): DiffLine[] {
  return diffLines(before, after, { stripTrailingCr: true, ignoreNewlineAtEof: true }).flatMap(
    ({ added, removed, value }) =>
      value
        .replace(/\n$/, "")
        .split("\n")
        .map((text): DiffLine => ({ kind: added ? "added" : removed ? "removed" : "same", text })),
  );
}
