// The anywidget module of `RunView`: one question of a chat, drawn by the chat's own module out of its store.

import { trans } from "./translation.ts";
import type { ChatExports } from "./widget.ts";

interface Props {
  model: { get(name: "chat" | "message_id"): string };
  el: HTMLElement;
  signal: AbortSignal;
  host: { getWidget(reference: string): Promise<{ exports: ChatExports }> };
}

/** Returns at once: the chat may still be on its way. */
function render({ model, el, signal, host }: Props): void {
  host.getWidget(`anywidget:${model.get("chat")}`).then(
    ({ exports }) => {
      if (!signal.aborted) signal.addEventListener("abort", exports.drawRun(el, model.get("message_id")));
    },
    () => {
      el.textContent = trans.__("The chat that this belongs to is gone. Run the cell again.");
    },
  );
}

export default { render };
