// The anywidget module of `RunView`: one message of a chat and its run, drawn by the chat's own module.

import { trans } from "./translation.ts";
import type { ChatExports } from "./widget.ts";

interface Props {
  model: { get(name: "chat" | "message_id"): string };
  el: HTMLElement;
  signal: AbortSignal;
  host: { getWidget(reference: string): Promise<{ exports: ChatExports }> };
}

/** Does not wait for the chat, which may arrive later. */
function render({ model, el, signal, host }: Props): void {
  host.getWidget(`anywidget:${model.get("chat")}`).then(
    ({ exports }) => {
      if (!signal.aborted) signal.addEventListener("abort", exports.drawRun(el, model.get("message_id")));
    },
    () => {
      el.textContent = trans.__("The chat of this run is gone. Run the cell again.");
    },
  );
}

export default { render };
