// Icons: strokes on a grid of 16, in the colour of the surrounding text. Each only repeats what a text says.

import type { VNode } from "preact";

const PATHS = {
  thought: "M8 2.2a4.3 4.3 0 0 0-2.6 7.7c.5.4.8.9.8 1.5v.4h3.6v-.4c0-.6.3-1.1.8-1.5A4.3 4.3 0 0 0 8 2.2ZM6.5 14h3",
  tool_use:
    "M13.4 4.6a3.4 3.4 0 0 1-4.5 4.2l-4.2 4.3a1.3 1.3 0 0 1-1.8-1.8l4.3-4.2a3.4 3.4 0 0 1 4.2-4.5L9.3 4.7l.3 1.7 1.7.3Z",
  tool_result: "M8 2.3v6.4M5.4 6.3 8 8.9l2.6-2.6M2.5 9.3v2.9c0 .7.5 1.2 1.2 1.2h8.6c.7 0 1.2-.5 1.2-1.2V9.3",
  final_answer: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0ZM5.4 8.2l1.8 1.8 3.5-3.7",
  error: "M8 2.4 14.3 13.3H1.7ZM8 6.4v3.2M8 11.4v.2",
  request: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0ZM6.3 6.4a1.75 1.75 0 1 1 2.5 1.6c-.5.3-.8.6-.8 1.2M8 11.2v.2",
  other: "M4 8h.2M8 8h.2M12 8h.2",
  send: "M8 13V3.4M3.9 7.3 8 3.2l4.1 4.1",
  stop: "M4.4 4.4h7.2v7.2H4.4Z",
  attach: "M13.4 7.5 8 12.9a3.4 3.4 0 0 1-4.8-4.8l5.9-5.9a2.3 2.3 0 0 1 3.2 3.2l-5.7 5.7a1.1 1.1 0 0 1-1.6-1.6l5.2-5.2",
  close: "m4.6 4.6 6.8 6.8M11.4 4.6l-6.8 6.8",
  file: "M9.2 2.2H4.4c-.5 0-.9.4-.9.9v9.8c0 .5.4.9.9.9h7.2c.5 0 .9-.4.9-.9V5.5ZM9.2 2.2v3.3h3.3",
  image:
    "M3.3 2.8h9.4c.6 0 1 .4 1 1v8.4c0 .6-.4 1-1 1H3.3c-.6 0-1-.4-1-1V3.8c0-.6.4-1 1-1ZM2.6 11.4l3.3-3.3 2.6 2.6 1.8-1.8 3 3M10.4 6v.1",
  down: "M8 3v9.6M3.9 8.7 8 12.8l4.1-4.1",
} as const;

/** The name of an icon. */
export type IconName = keyof typeof PATHS;

/** An icon, hidden from assistive technology. */
export function Icon({ name }: { name: IconName }): VNode {
  return (
    <svg class="rw-icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

const FOLDED = "m-14.6 4.5 3.5 3.5-3.5 3.5";
const UNFOLDED = "m-16.4 6.2 3.5 3.5 3.5-3.5";

/** A step's type, and whether its card is open: a single picture, because a transcript may have thousands. */
export function StepIcon({ type, open }: { type: string; open: boolean }): VNode {
  const picture = PATHS[type in PATHS ? (type as IconName) : "other"];
  return (
    <svg class="rw-icon" viewBox="-18 0 34 16" aria-hidden="true" focusable="false">
      <path d={(open ? UNFOLDED : FOLDED) + picture} />
    </svg>
  );
}
