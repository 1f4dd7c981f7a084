// The anywidget module of `ReasoningChat`: the store lives with the model, views come and go.

import { Store } from "./store.ts";
import { type CommModel, connect } from "./transport/comm.ts";
import { drawChat } from "./view/chat.tsx";

/** What the widget offers to others of the page, through anywidget's `host.getWidget`. */
export interface ChatExports {
  /** Draw one message and its run into `element`. The result takes it away again. */
  drawRun(element: HTMLElement, messageId: string): () => void;
}

/** anywidget calls this once for each model. */
export default function widget() {
  const store = new Store();
  return {
    /** Must return at once: anywidget holds the kernel's messages back until it has. */
    initialize({ model, signal }: { model: CommModel; signal: AbortSignal }): ChatExports {
      const disconnect = connect(model, store);
      signal.addEventListener("abort", () => {
        disconnect();
        store.close();
      });
      return { drawRun: (element, messageId) => drawChat(element, store, messageId) };
    },

    render({ el }: { el: HTMLElement }): () => void {
      return drawChat(el, store);
    },
  };
}
