// The difference between two texts, line by line.

import { diffLines } from "diff";

export interface DiffLine {
  kind: "same" | "added" | "removed";
  text: string;
}

/** The lines of both texts, in order. */
export function linesOf(before: string, after: string): DiffLine[] {
  return diffLines(before, after, { stripTrailingCr: true, ignoreNewlineAtEof: true }).flatMap(
    ({ added, removed, value }) =>
      value
        .replace(/\n$/, "")
        .split("\n")
        .map((text): DiffLine => ({ kind: added ? "added" : removed ? "removed" : "same", text })),
  );
}
