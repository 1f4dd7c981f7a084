import type { VNode } from "preact";
import { trans } from "../translation.ts";

/** Explains why nothing happens while a cell keeps the kernel from receiving messages. */
export function LateNote(): VNode {
  return (
    <span class="rw-late" role="status">
      {trans.__(
        "The kernel is busy with a cell: it will get this when the cell ends. To stop now, interrupt the kernel.",
      )}
    </span>
  );
}
