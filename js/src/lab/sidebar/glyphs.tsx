// The icons that only the sidebar needs, drawn like those of the cards.

import type { VNode } from "preact";

const PATHS = {
  back: "M9.8 3.4 5.2 8l4.6 4.6",
  more: "M3.6 8h.1M8 8h.1M12.4 8h.1",
  add: "M8 3.2v9.6M3.2 8h9.6",
  tab: "M9.4 2.8h3.8v3.8M13 3 8.2 7.8M11.8 9v3.2c0 .6-.4 1-1 1H3.8c-.6 0-1-.4-1-1v-7c0-.6.4-1 1-1H7",
  remove: "m4.6 4.6 6.8 6.8M11.4 4.6l-6.8 6.8",
  cell: "M3.6 3.2h8.8c.6 0 1 .4 1 1v7.6c0 .6-.4 1-1 1H3.6c-.6 0-1-.4-1-1V4.2c0-.6.4-1 1-1ZM5.2 6l2 2-2 2M8.6 10.2h2.4",
  insert: "M8 2.6v6.2M5.4 6.4 8 9l2.6-2.6M3 12.6h10",
  replace: "M3 6.2h8.4M9 3.6l2.6 2.6M13 9.8H4.6M7 12.4 4.4 9.8",
} as const;

/** The name of a glyph. */
export type GlyphName = keyof typeof PATHS;

/** An icon, hidden from assistive technology. */
export function Glyph({ name }: { name: GlyphName }): VNode {
  return (
    <svg class="rw-icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
